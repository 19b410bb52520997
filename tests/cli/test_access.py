"""`corral token` and `corral key`, and hubs that are reached with what they made."""

from __future__ import annotations

import json
import multiprocessing
import stat
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import trustme

from corral.cli import access
from corral.cli.exits import Exit
from corral_hub.access.credentials import read_access_file
from corral_hub.access.enrolment import Enrolment
from tests.cli.conftest import Cli
from tests.cli.processes import ROOT, Process, run


def test_a_token_is_printed_once_and_its_entry_is_added(bare: Cli, tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    made = [
        bare("token", "ci", "--role", "orchestrator", "--namespace", "team-a", "--file", str(file)),
        bare("token", "ci", "--role", "worker", "--role", "admin", "--expires", "90d", "--file",
             str(file)),
    ]  # fmt: skip
    tokens = [answer.out.strip() for answer in made]
    assert len(set(tokens)) == 2
    assert all(token.startswith("corral_") and len(token) > 40 for token in tokens)
    assert not any(token in file.read_text() for token in tokens)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first, second = read_access_file(file).token
    assert (first.name, first.namespace, first.roles) == ("ci", "team-a", ["orchestrator"])
    assert (second.namespace, second.roles) == ("default", ["worker", "admin"])
    assert first.expires is None
    assert second.expires is not None


def test_what_somebody_wrote_into_the_file_stays(bare: Cli, tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    file.write_text("# ours\n")
    file.chmod(0o640)
    bare("token", "ci", "--role", "worker", "--file", str(file))
    assert file.read_text().startswith("# ours\n\n[[token]]\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert {path.name for path in tmp_path.iterdir()} == {"access.toml", ".access.toml.lock"}


def add_tokens(file: Path) -> None:
    for _ in range(50):
        access.token("ci", ["worker"], file=file)


def test_commands_at_the_same_time_lose_no_entry(tmp_path: Path) -> None:
    file = tmp_path / "access.toml"
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as commands:
        for done in [commands.submit(add_tokens, file) for _ in range(4)]:
            done.result()
    assert len(read_access_file(file).token) == 200


def test_without_a_file_the_entry_is_printed_beside_the_token(bare: Cli) -> None:
    answer = bare("token", "ci", "--role", "worker", "--namespace", "*")
    (entry,) = tomllib.loads(answer.err.partition("\n\n")[2])["token"]
    assert entry["namespace"] == "*"
    found = bare("token", "ci", "--role", "worker", "--json").json
    assert tomllib.loads(found["entry"])["token"][0]["name"] == "ci"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["ci", "--role", "boss"], "'boss' is no role"),
        (["ci"], "--role"),
        (['a"b', "--role", "worker"], "is no name"),
        (["ci", "--role", "worker", "--namespace", "a b"], "is no namespace"),
        (["ci", "--role", "worker", "--expires", "soon"], "is no duration"),
        (["ci", "--role", "worker", "--expires", "0d"], "'0d' is not between"),
        (["ci", "--role", "worker", "--expires", "100000000d"], "is not between"),
        (["ci", "--role", "worker", "--file", "/no/such/folder/access"], "cannot be written"),
    ],
)
def test_a_wrong_token_makes_nothing(bare: Cli, arguments: list[str], told: str) -> None:
    answer = bare("token", *arguments)
    assert answer.code == Exit.USAGE
    assert told in answer.err
    assert answer.out == ""


def test_a_key_is_made_once(bare: Cli, tmp_path: Path) -> None:
    file = tmp_path / "box.pem"
    answer = bare("key", str(file))
    (tmp_path / "enrolment").write_text('policy = "signed"\n' + answer.out)
    assert [key.name for key in Enrolment.load(tmp_path / "enrolment").key] == ["box"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    again = bare("key", str(file))
    assert again.code == Exit.USAGE
    assert "cannot be written" in again.err
    assert file.read_bytes() == before


def test_hubs_are_reached_with_certificates(valkey: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    for name in ("127.0.0.1", "box.example"):
        issued = authority.issue_cert(name)
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    (tmp_path / "access").write_text(
        '[[certificate]]\nname = "box.example"\nnamespace = "default"\n'
        'roles = ["orchestrator", "worker"]\n'
    )
    (tmp_path / "enrolment").write_text(
        'policy = "signed"\n' + run("key", str(tmp_path / "box.pem")).stdout
    )
    ca = str(tmp_path / "ca")
    mine = (
        "--tls-ca", ca, "--tls-cert", str(tmp_path / "box.example.pem"),
        "--tls-key", str(tmp_path / "box.example.key"),
    )  # fmt: skip
    with Process(
        "hub", "--name", "a", "--listen", "127.0.0.1:0", "--valkey", valkey,
        "--access-file", str(tmp_path / "access"), "--tls-cert", str(tmp_path / "127.0.0.1.pem"),
        "--tls-key", str(tmp_path / "127.0.0.1.key"), "--tls-client-ca", ca,
        "--enrolment-file", str(tmp_path / "enrolment"),
    ) as hub:  # fmt: skip
        address = f"grpcs://{hub.expect('hub a listens on').split()[-1]}"
        at = ("--hub", address)
        with Process(
            *mine, "worker", "tests.cli.handlers:worker", *at,
            "--enrolment-key", str(tmp_path / "box.pem"), cwd=ROOT,
        ) as worker:  # fmt: skip
            done = run(*mine, "submit", "hello", '"Ada"', "--wait", *at)
            assert json.loads(done.stdout) == {"hello": "Ada"}, done.stderr
            assert worker.end() == Exit.OK, worker.output
        unsigned = run(*mine, "worker", "tests.cli.handlers:worker", *at)
        assert "sign with an enrolment key" in unsigned.stderr
        assert unsigned.returncode == Exit.REFUSED
        assert run("--tls-ca", ca, "stats", *at, "--timeout", "2").returncode == Exit.UNAVAILABLE
        missing = run("--tls-ca", "/no/such/file", "stats", *at)
        assert missing.returncode == Exit.USAGE
        assert "/no/such/file" in missing.stderr
        assert hub.end() == Exit.OK, hub.output


@pytest.mark.parametrize("words", [["stats"], ["worker", "tests.cli.handlers:worker"]])
def test_files_for_tls_that_nothing_uses_are_refused(tmp_path: Path, words: list[str]) -> None:
    ca = tmp_path / "ca"
    trustme.CA().cert_pem.write_to_path(str(ca))
    done = run("--tls-ca", str(ca), *words, "--hub", "127.0.0.1:1")
    assert done.returncode == Exit.USAGE
    assert "write grpcs://127.0.0.1:1" in done.stderr
    assert "--tls-ca" in done.stderr


def test_half_of_a_certificate_is_no_certificate(bare: Cli, tmp_path: Path) -> None:
    answer = bare("hub", "--tls-cert", str(tmp_path / "cert"))
    assert answer.code == Exit.USAGE
    assert "--tls-cert and --tls-key go together" in answer.err
