"""Figures say which tree they are of, and whether all of it is committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.origin import Tree


def _git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = subprocess.run(
        ["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_tree_is_dirty_with_changes_and_with_new_files(tmp_path: Path) -> None:
    file = tmp_path / "file"
    _git(tmp_path, "init", "--quiet")
    file.write_text("one")
    _git(tmp_path, "add", "file")
    _git(tmp_path, "commit", "--quiet", "--message", "one")
    clean = Tree(_git(tmp_path, "rev-parse", "HEAD"), dirty=False)
    assert Tree.now(tmp_path) == clean
    file.write_text("two")
    assert Tree.now(tmp_path) == Tree(clean.commit, dirty=True)
    _git(tmp_path, "checkout", "--quiet", "file")
    (tmp_path / "new.py").write_text("")
    assert Tree.now(tmp_path).dirty
    assert "not committed" in str(Tree.now(tmp_path))
    (tmp_path / ".git/info/exclude").write_text("new.py\n")
    assert Tree.now(tmp_path) == clean


def test_outside_of_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert Tree.now(tmp_path) == Tree("", dirty=False)
