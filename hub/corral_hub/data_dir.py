"""The data directory of an embedded Valkey: who owns it, who writes to it, what runs on it.

Owns two locks and a record. `lock` belongs to the owning process. `valkey.lock` is inherited
by the server, so it lasts as long as anything writes to the append-only file, also when the
owner was killed. `valkey.json` says which server runs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import msgspec

from corral_hub.errors import HubError, Misconfigured


class DataDirInUse(HubError):
    """Another process keeps its store in the data directory."""

    kind = "unavailable"


class Record(msgspec.Struct, frozen=True):
    """What `valkey.json` says while the server runs."""

    pid: int
    socket: str
    version: str
    owner: int


def read_record(path: Path) -> Record | None:
    """Gives the record of a data directory; None when there is none that can be read."""
    try:
        return msgspec.json.decode((path / "valkey.json").read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


class DataDir:
    """A data directory, made when missing. Its locks are held until `close`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._locks = contextlib.ExitStack()

    def own(self) -> None:
        """Makes this process its owner; raises DataDirInUse naming the one that is."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise self._unusable("made", error) from error
        file = self._open("lock")
        if not _try_lock(file, self.path):
            owner = (self.path / "lock").read_text().strip() or "unknown"
            raise DataDirInUse(
                f"data directory {self.path} is in use by process {owner}; stop that one, "
                "or name another directory with --data"
            )
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())

    def open_server_lock(self) -> int:
        """Opens the file of the server's lock and gives its descriptor, to be inherited."""
        return self._open("valkey.lock")

    def try_server_lock(self, file: int) -> bool:
        """Takes the server's lock; false while another server writes here."""
        return _try_lock(file, self.path)

    def read_record(self) -> Record | None:
        """Gives the record of the server that runs, or ran when its owner was killed."""
        return read_record(self.path)

    def write_record(self, record: Record) -> None:
        """Writes the record so that a reader sees all of it or none."""
        new = self.path / "valkey.json.new"
        new.write_bytes(msgspec.json.encode(record))
        new.replace(self.path / "valkey.json")

    def remove_record(self) -> None:
        """Says that no server runs."""
        (self.path / "valkey.json").unlink(missing_ok=True)

    def close(self) -> None:
        """Gives the locks back."""
        self._locks.close()

    def _open(self, name: str) -> int:
        try:
            file = os.open(self.path / name, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable("written", error) from error
        self._locks.callback(os.close, file)
        return file

    def _unusable(self, what: str, error: OSError) -> Misconfigured:
        return Misconfigured(
            f"data directory {self.path} cannot be {what} ({error.strerror}); name another one "
            "with --data",
            field="data",
        )


def _try_lock(file: int, path: Path) -> bool:
    if sys.platform == "win32":
        raise Misconfigured(
            "the embedded Valkey does not run on Windows; run Valkey elsewhere and start "
            '"corral hub --valkey redis://host:6379"'
        )
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be locked ({error.strerror}); keep the data on a local disk: --data",
            field="data",
        ) from error
    return True
