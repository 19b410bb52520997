"""`corral hub` as a real process, with and without tokens."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from corral.cli.exits import Exit
from corral.cli.hub import default_name
from corral_hub.names import NAME
from tests.cli.conftest import Cli
from tests.cli.processes import Process


def test_a_hub_serves_until_it_is_told_to_stop(valkey: str, bare: Cli) -> None:
    command = ("hub", "--name", "a", "--listen", "127.0.0.1:0", "--valkey", valkey)
    with Process(*command) as hub:
        address = hub.expect("hub a listens on").split()[-1]
        assert bare("stats", "--hub", address, "--json").json["hubs"] == ["a"]
        assert hub.end(signal.SIGINT) == Exit.OK, hub.output


def test_only_accepted_tokens_come_in(valkey: str, bare: Cli, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("# operators\nfirst-token\n\nsecond-token\n")
    command = ("hub", "--listen", "127.0.0.1:0", "--valkey", valkey, "--token-file", str(tokens))
    with Process(*command, CORRAL_TOKEN="third-token") as hub:
        address = hub.expect("listens on").split()[-1]
        for token in ("first-token", "second-token", "third-token"):
            assert bare("stats", "--hub", address, "--token", token).code == Exit.OK
        refused = bare("stats", "--hub", address, "--token", "wrong")
        assert refused.code == Exit.UNAUTHENTICATED
        assert "CORRAL_TOKEN" in refused.err
        assert bare("stats", "--hub", address).code == Exit.UNAUTHENTICATED
        assert hub.end() == Exit.OK
        assert "first-token" not in hub.output


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--listen", "0.0.0.0:7445"], "--insecure"),
        (["--lease-ms", "3"], "lease_ms"),
        (["--durability", "sometimes"], "memory, fsync or replica:N"),
        (["--max-payload-bytes", "5000000"], "max_payload_bytes"),
        (["--token-file", "/no/such/file"], "/no/such/file"),
        (["--name", "no spaces"], "characters"),
    ],
)
def test_a_wrong_configuration_exits_with_2(
    bare: Cli, capfd: pytest.CaptureFixture[str], options: list[str], told: str
) -> None:
    answer = bare("hub", *options)
    assert answer.code == Exit.USAGE
    assert told in answer.err + capfd.readouterr().err


def test_a_short_lease_has_short_heartbeats(valkey: str) -> None:
    command = ("hub", "--listen", "127.0.0.1:0", "--valkey", valkey, "--lease-ms", "1000")
    with Process(*command) as hub:
        hub.expect("listens on")
        assert hub.end() == Exit.OK


@pytest.mark.parametrize("listen", ["127.0.0.1:7445", "[::1]:0", "unix:/tmp/some/where.sock"])
def test_the_default_name_is_a_name(listen: str) -> None:
    assert NAME.fullmatch(default_name(listen))
