"""The map is true: folders and files that the pages name exist, links lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.house.toolbox import ROOT

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name / "README.md" for name in ("deploy", "bench")),
]
LONGEST = 400


def _page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_page)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{target} in {_page(page)}"


def test_the_architecture_names_every_top_folder_and_no_other() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = re.findall(r"^\| `([\w/]+)/` \|", text, re.M)
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {path.split("/")[0] for path in tracked if "/" in path}
    assert {row.split("/")[0] for row in rows} == {f for f in folders if not f.startswith(".")}
    for row in rows:
        assert (ROOT / row).is_dir(), row


def test_the_way_of_a_run_goes_through_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    way = text[text.index("## The way of one run") : text.index("## Map")]
    folder = ROOT
    for name in re.findall(r"`([\w/]+(?:/|\.py|\.lua))`", way):
        # A bare name stands in the row of a neighbour, or of the transition that it is.
        beside = [folder / name, *(ROOT / "lua/corral_lua/transitions").glob(name)]
        path = ROOT / name if "/" in name else next(p for p in beside if p.exists())
        assert path.exists(), name
        folder = path if path.is_dir() else path.parent


def test_no_file_is_longer_than_a_reader_bears() -> None:
    for folder in ("lua", "store", "hub", "worker_sdk", "examples", "bench"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".lua"):
                assert len(path.read_text().splitlines()) <= LONGEST, _page(path)


def test_make_lists_every_target_of_its_own() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.M)
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"make (\w+)", listed)) >= set(phony.split())
