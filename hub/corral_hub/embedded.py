"""A Valkey server of our own, for `corral up`: durable, on a unix socket, one per data directory.

Owns the process and its private socket directory. Knows nothing of hubs; it ends the server
when it is left, and tells when the server dies by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from corral_hub import allocator
from corral_hub.data_dir import DataDir, DataDirInUse, Record
from corral_hub.errors import HubError, Misconfigured
from corral_hub.valkey_binary import ValkeyBinary, find_binary

# The shortest limit among platforms is macOS's 104 bytes with the closing zero.
SOCKET_PATH_BYTES = 103
START_SECONDS = 20.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 2.0
POLL_SECONDS = 0.02
LOG_BYTES = 10 * 1024 * 1024
LOG_TAIL_LINES = 8


class EmbeddedValkeyFailed(HubError):
    """The server did not start, or died; the message ends with its last words."""

    kind = "unavailable"


class EmbeddedValkey:
    """The server as an async context manager: `async with EmbeddedValkey(path) as valkey`.

    `data_dir` is made when missing and holds the append-only file, `valkey.log` and, while
    it runs, `valkey.json`. `binary` is the program; by default the best one found. Entering
    raises NoValkeyBinary, DataDirInUse, EmbeddedValkeyFailed or Misconfigured.
    """

    def __init__(self, data_dir: Path, binary: Path | None = None) -> None:
        self._data = DataDir(data_dir)
        self._wanted = binary
        self._binary: ValkeyBinary | None = None
        self._preloaded = ""
        self._process: asyncio.subprocess.Process | None = None
        self._sockets = contextlib.ExitStack()
        self._socket = Path()

    @property
    def url(self) -> str:
        """Address for clients, `unix:///...`."""
        return f"unix://{self._socket}"

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._running().pid

    @property
    def version(self) -> str:
        """Version of the server, e.g. `9.1.2`; empty before it was found."""
        return self._binary.version if self._binary else ""

    @property
    def allocator(self) -> str:
        """What gives the server its memory, e.g. `libc`; empty before it was found."""
        return self._preloaded or (self._binary.allocator if self._binary else "")

    @property
    def data_dir(self) -> Path:
        """Where its data is, as an absolute path."""
        return self._data.path

    @property
    def log_path(self) -> Path:
        """Where the server writes its log."""
        return self.data_dir / "valkey.log"

    async def __aenter__(self) -> Self:
        self._binary = await asyncio.to_thread(find_binary, self._wanted)
        self._preloaded = await asyncio.to_thread(allocator.preload, self._binary.allocator)
        try:
            self._data.own()
            server_lock = await self._server_lock()
            if (left := self._data.read_record()) is not None:
                _forget(left)
            self._socket = self._private_socket()
            await self._start(self._binary, server_lock)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._end()

    async def wait_died(self) -> EmbeddedValkeyFailed:
        """Waits until the server process ends, and gives why, with its last words."""
        code = await self._running().wait()
        cause = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return EmbeddedValkeyFailed(
            f"the embedded Valkey ended {cause}; what it acknowledged is safe in {self.data_dir}, "
            f"so start again. {self._last_words()}"
        )

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the embedded Valkey is not running: enter it first")
        return self._process

    async def _server_lock(self) -> int:
        """Takes the lock that the server inherits.

        An owner that was killed leaves its server behind, writing to the same files: that one
        is asked to end first.
        """
        file = self._data.open_server_lock()
        if self._data.try_server_lock(file):
            return file
        left = self._data.read_record()
        if left is not None:
            await _shut_down(left)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while True:
                    await asyncio.sleep(POLL_SECONDS)
                    if self._data.try_server_lock(file):
                        return file
        raise DataDirInUse(
            f"a Valkey server left behind in {self.data_dir} (process "
            f"{left.pid if left else 'unknown'}) did not end within {STOP_SECONDS:g} s; end "
            "it, or name another directory with --data"
        )

    def _private_socket(self) -> Path:
        """A socket path in a new directory that only this user may enter."""
        for base in (tempfile.gettempdir(), "/tmp"):
            folder = Path(tempfile.mkdtemp(prefix=f"corral-{os.getuid()}-", dir=base))
            self._sockets.callback(shutil.rmtree, folder, ignore_errors=True)
            path = folder / "valkey.sock"
            if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
                return path
        raise Misconfigured(
            f"{tempfile.gettempdir()} is too long for a socket path of {SOCKET_PATH_BYTES} "
            "bytes; set TMPDIR to a shorter directory"
        )

    def _arguments(self) -> list[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "600",
            "dir": str(self.data_dir),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "maxmemory": str(_half_of_memory()),
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        return [word for name, value in settings.items() for word in (f"--{name}", value)]

    async def _start(self, binary: ValkeyBinary, server_lock: int) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        with self.log_path.open("ab") as log:
            # A session of its own: Ctrl-C on a terminal must reach the hub first, not the store.
            self._process = await asyncio.create_subprocess_exec(
                binary.path,
                *self._arguments(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(server_lock,),
                start_new_session=True,
                env=allocator.environment(self._preloaded),
            )
        self._data.write_record(
            Record(self._process.pid, str(self._socket), binary.version, owner=os.getpid())
        )
        died = asyncio.create_task(self.wait_died(), name="embedded-valkey-died")
        ready = asyncio.create_task(self._answers(), name="embedded-valkey-ready")
        try:
            await asyncio.wait((died, ready), return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise died.result()
            ready.result()
        finally:
            died.cancel()
            ready.cancel()
            await asyncio.gather(died, ready, return_exceptions=True)

    async def _answers(self) -> None:
        """Returns when PING is answered. Loading a large file takes the time that it takes."""
        loop = asyncio.get_running_loop()
        until = loop.time() + START_SECONDS
        async with _client(self._socket) as client:
            while True:
                try:
                    await client.ping()
                    return
                except redis_errors.BusyLoadingError:
                    until = loop.time() + START_SECONDS
                except (redis_errors.RedisError, OSError) as error:
                    if loop.time() > until:
                        raise EmbeddedValkeyFailed(
                            f"the embedded Valkey does not answer after {START_SECONDS:g} s "
                            f"({error}). {self._last_words()}"
                        ) from error
                await asyncio.sleep(POLL_SECONDS)

    async def _end(self) -> None:
        """Ends the server and gives everything back; may be called after a half start.

        Shielded: an owner that is being cancelled must still see its server end.
        """
        try:
            if self._process is not None:
                with anyio.CancelScope(shield=True):
                    await _end_process(self._process)
                self._data.remove_record()
        finally:
            self._sockets.close()
            self._data.close()

    def _last_words(self) -> str:
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        except OSError:
            lines = []
        return "\n".join([f"End of its log, {self.log_path}:", *(f"  {line}" for line in lines)])


async def _end_process(process: asyncio.subprocess.Process) -> None:
    """Asks a process to end, then makes it."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _client(socket: Path) -> Redis:
    return Redis(
        unix_socket_path=str(socket),
        retry=Retry(NoBackoff(), 0),
        socket_timeout=ANSWER_SECONDS,
    )


async def _shut_down(left: Record) -> None:
    """Ends a server left behind, when it is the one of the record and answers."""
    async with _client(Path(left.socket)) as client:
        # Not there, or not answering: the caller finds out by the lock.
        with contextlib.suppress(redis_errors.RedisError, OSError):
            info = await client.info("server")
            if info.get("process_id") == left.pid:
                await client.shutdown(nosave=True)


def _forget(left: Record) -> None:
    """Removes the socket of a server that is gone, and its directory when nothing else is in it."""
    socket = Path(left.socket)
    with contextlib.suppress(OSError):
        socket.unlink(missing_ok=True)
        socket.parent.rmdir()


def _half_of_memory() -> int:
    """Half of this machine's memory in bytes, above which submits are refused; 0: unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError):
        return 0
