"""The library: headers against stubs, names by digest, two releases side by side."""

from __future__ import annotations

import re

import pytest

from corral_store.library import LibraryError, arguments_of, build, header_of, read_sources
from tests.servers import ValkeyServer


def test_a_header_that_differs_from_its_stub_is_refused() -> None:
    sources = read_sources()
    name = "transitions/cancel"
    sources[name] = sources[name].replace("each: run, reason", "each: run, why")
    with pytest.raises(LibraryError, match=r"cancel\.lua takes"):
        build(sources)


def test_a_header_without_a_contract_is_refused() -> None:
    with pytest.raises(LibraryError, match="no GIVES, AGAIN"):
        header_of("x", "-- x\n-- KEYS  root\n-- ARGV  hub\n")


def test_every_transition_says_how_a_repeat_is_recognised() -> None:
    for name, source in read_sources().items():
        if name.startswith("transitions/"):
            header = header_of(name, source)
            assert header.again
            assert arguments_of(header)[0]


def test_two_releases_stand_side_by_side(valkey_server: ValkeyServer) -> None:
    sources = read_sources()
    sources["parts/base"] += "\n-- another release\n"
    one, other = build(), build(sources)
    assert one.digest != other.digest
    client = valkey_server.client()
    for library in (one, other):
        client.function_load(library.source, replace=True)
    names = {bytes(row[1]).decode() for row in client.function_list()}
    assert {one.name, other.name} <= names


def test_no_transition_walks_the_key_space_or_makes_keys_by_hand() -> None:
    for name, source in read_sources().items():
        code = "\n".join(line.split("--")[0] for line in source.splitlines())
        assert not re.search(r"'(KEYS|SCAN|RANDOMKEY|SRANDMEMBER|SPOP|EXPIRE|PEXPIRE)'", code), name
        if name not in (
            "parts/keys",
            "parts/mail",
            "parts/events",
            "parts/unit",
            "transitions/enter",
        ):
            assert "u.root" not in code, name
