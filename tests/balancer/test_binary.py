"""Where the nginx of these tests comes from, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.balancer import binary


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without programs; gives the folder on its PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.delenv("CORRAL_TEST_NGINX", raising=False)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(binary, "FOLDERS", ())
    monkeypatch.setattr(binary, "CACHE", tmp_path / "cache/nginx")
    return programs


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_a_machine_without_nginx_and_without_apt_is_told_what_to_do(bare: Path) -> None:
    with pytest.raises(binary.NoNginx, match=r"no apt-get to fetch it\. Install it .* CORRAL_TEST"):
        binary.nginx()


def test_a_fetch_that_fails_says_what_was_answered(bare: Path) -> None:
    program(bare, "apt-get", "echo 'no network' >&2; exit 100")
    program(bare, "dpkg", "exit 1")
    with pytest.raises(binary.NoNginx, match="update failed: no network"):
        binary.nginx()
    assert list(binary.CACHE.parent.iterdir()) == []


def test_what_was_fetched_is_found_again(bare: Path) -> None:
    unpacked = binary.CACHE / "usr/sbin"
    unpacked.mkdir(parents=True)
    program(unpacked, "nginx", "")
    assert binary.nginx() == str(unpacked / "nginx")


def test_an_nginx_on_the_path_and_a_named_one_come_first(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bare, "nginx", "")
    assert binary.nginx() == str(bare / "nginx")
    monkeypatch.setenv("CORRAL_TEST_NGINX", "/opt/nginx")
    assert binary.nginx() == "/opt/nginx"
