"""What a limits file says, and what is said of one that says nothing sensible."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral_hub.errors import Misconfigured
from corral_hub.limits import Limits, LimitsOf

FILE = """
[default]
max_waiting = 500

[namespace.team-a]
submits_per_second = 2.5
submit_burst = 10

[namespace.team-b]
max_payload_bytes = 2048
submits_per_second = 40
"""


def limits_of(path: Path, text: str) -> LimitsOf:
    file = path / "limits.toml"
    file.write_text(text)
    limits = LimitsOf(Limits(max_waiting=1000), file)
    limits.load()
    return limits


def test_a_namespace_has_its_own_limits_those_of_all_and_those_of_the_hub(tmp_path: Path) -> None:
    limits = limits_of(tmp_path, FILE)
    assert limits.of("other") == Limits(max_waiting=500)
    assert limits.of("team-a") == Limits(500, submits_per_second=2.5, submit_burst=10)
    assert limits.of("team-b") == Limits(500, 2048, submits_per_second=40)
    assert limits.of("team-b").burst == 40
    assert limits.of("other").burst == 1


def test_without_a_file_the_hub_says_all() -> None:
    limits = LimitsOf(Limits(max_waiting=7))
    assert not limits.load()
    assert limits.of("any").max_waiting == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[namespace.a]\nmax_wait = 5", "namespace.a.max_wait is no limit; max_payload_bytes, "),
        ("[default]\nmax_waiting = 0", "default.max_waiting is 0; a number from 1 to 1e+08"),
        ("[default]\nmax_waiting = 'many'", "default.max_waiting is 'many'"),
        ("[default]\nmax_waiting = true", "default.max_waiting is True"),
        ("[default]\nsubmit_burst = 1.5", "default.submit_burst is 1.5"),
        ("[namespaces.a]\n", "there is a table 'namespaces'"),
        ("[namespace.'a b']\n", "namespace 'a b' does not match"),
        ("namespace = 3", "namespace is 3; write it as a table"),
        ("[default\n", "write [default] and [namespace.NAME] tables"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_what_would_be_right(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(Misconfigured) as refused:
        limits_of(tmp_path, text)
    assert said in refused.value.message
    assert "limits.toml" in refused.value.message


def test_a_file_that_has_become_wrong_or_is_gone_changes_nothing(tmp_path: Path) -> None:
    limits = limits_of(tmp_path, FILE)
    for spoil in (lambda f: f.write_text("[default\n"), lambda f: f.unlink()):
        spoil(tmp_path / "limits.toml")
        with pytest.raises(Misconfigured):
            limits.load()
        assert limits.of("team-a").submit_burst == 10
