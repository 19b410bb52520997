"""Addresses: every accepted form, and errors that name the forms."""

from __future__ import annotations

import pytest

import corral
from corral.addresses import is_private, parse_address, parse_addresses
from corral.channel import channel_options


@pytest.mark.parametrize(
    ("text", "target", "tls", "private"),
    [
        ("hub.example.com", "hub.example.com:7445", False, False),
        ("hub.example.com:80", "hub.example.com:80", False, False),
        ("http://10.0.0.1:7000", "10.0.0.1:7000", False, True),
        ("http://localhost:7445/", "localhost:7445", False, True),
        ("https://hub.example.com", "hub.example.com:7445", True, False),
        ("GRPC://127.0.0.1", "127.0.0.1:7445", False, True),
        ("grpcs://8.8.8.8:443", "8.8.8.8:443", True, False),
        ("[::1]:7446", "[::1]:7446", False, True),
        ("http://[2606:4700::1111]", "[2606:4700::1111]:7445", False, False),
        ("hub-a:7445", "hub-a:7445", False, True),
        ("unix:/run/corral.sock", "unix:/run/corral.sock", False, True),
        ("unix:///run/corral.sock", "unix:/run/corral.sock", False, True),
    ],
)
def test_an_accepted_form(text: str, target: str, tls: bool, private: bool) -> None:
    address = parse_address(text)
    assert (address.target, address.tls, address.private) == (target, tls, private)


@pytest.mark.parametrize(
    "text",
    [
        "ftp://hub",
        "hub:0",
        "hub:70000",
        "hub:",
        "hub:port",
        "::1:7445",
        "[::1",
        "[hub]:1",
        "http://",
        "http://hub/path",
        "http://user@hub",
        "a b",
        "unix:",
        "unix://relative",
        "-hub",
    ],
)
def test_anything_else_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(corral.BadAddress, match=r"host:port") as caught:
        parse_address(text)
    assert text.split("://")[-1].split("/")[0] in str(caught.value)


def test_lists_and_commas_give_each_address_once() -> None:
    addresses = parse_addresses(["a:1, b:2", "a:1", "c:3,"])
    assert [str(address) for address in addresses] == ["a:1", "b:2", "c:3"]


def test_the_environment_and_then_loopback_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_HUB", "x:1,y:2")
    assert [str(address) for address in parse_addresses(None)] == ["x:1", "y:2"]
    monkeypatch.setenv("CORRAL_HUB", "")
    assert [str(address) for address in parse_addresses(None)] == ["127.0.0.1:7445"]
    with pytest.raises(corral.BadAddress):
        parse_addresses([])


def test_no_proxy_stands_before_a_near_hub() -> None:
    assert ("grpc.enable_http_proxy", 0) in channel_options(parse_address("127.0.0.1"))
    assert ("grpc.enable_http_proxy", 0) not in channel_options(parse_address("example.com"))
    assert is_private("hub.internal")
    assert not is_private("internal.example.com")
