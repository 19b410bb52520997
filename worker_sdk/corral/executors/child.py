"""The program of a child process that executes handlers, one run at a time, as a pipe says.

Started by its path. Imports nothing but the standard library until the user's module is
there: the child begins without gRPC, without an event loop, and with its device chosen.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from types import FrameType, ModuleType
from typing import Any

# How `Worker.run` knows that it is in a child.
IS_EXECUTOR_CHILD = True
MAIN = "__corral_main__"
STOPPED = 128 + signal.SIGTERM

Frame = tuple[Any, ...]


class Child:
    """Reads requests on a thread, executes them on the main one, where signals arrive."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._inbox: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._busy = False
        self._hear: Callable[[Frame], None] | None = None
        self._sending = threading.Lock()
        self._main_path: str | None = None

    def serve(self) -> None:
        """Executes until the pipe is closed, or SIGTERM."""
        path, self._main_path, log_level = self._connection.recv()
        sys.path[:] = path
        logging.basicConfig(
            level=log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        signal.signal(signal.SIGTERM, _stop)
        threading.Thread(target=self._read, name="corral-child", daemon=True).start()
        while (request := self._inbox.get()) is not None:
            self._busy = True
            self._send(self._execute(*request[1:]))
            self._busy = False

    def _read(self) -> None:
        while True:
            try:
                request = self._connection.recv()
            except (EOFError, OSError):
                # The worker is gone, or wants this child no more.
                self._inbox.put(None)
                if self._busy:
                    os._exit(1)
                return
            hear = self._hear
            if request[0] == "run":
                self._inbox.put(request)
            elif hear is not None:
                hear(request)

    def _send(self, frame: Frame) -> None:
        # A handler may have threads of its own that speak.
        with self._sending:
            self._connection.send(frame)

    def _attend(self, hear: Callable[[Frame], None] | None) -> None:
        self._hear = hear

    def _execute(self, module: str, name: str, assignment: bytes, until_ms: float) -> Frame:
        fn: Callable[..., Any] | None = None
        error: Exception | None = None
        try:
            fn = _find(self._load(module), name)
        except SystemExit as ended:
            if ended.code == STOPPED:
                raise
            error = ImportError(
                f"importing {module} ends the process; put what runs the worker under "
                'if __name__ == "__main__"'
            )
        except Exception as raised:
            # The edge of user code: a module that cannot be imported fails the run.
            error = raised
        # Not before the user's module, see above.
        from corral.executors import inside

        if fn is None:
            return inside.not_loaded(module, error)
        return inside.execute(fn, assignment, until_ms, self._send, self._attend)

    def _load(self, module: str) -> ModuleType:
        if module != "__main__" or self._main_path is None:
            return importlib.import_module(module)
        if MAIN in sys.modules:
            return sys.modules[MAIN]
        spec = importlib.util.spec_from_file_location(MAIN, self._main_path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self._main_path} cannot be imported as a module")
        loaded = importlib.util.module_from_spec(spec)
        sys.modules[MAIN] = loaded
        try:
            spec.loader.exec_module(loaded)
        except SystemExit as ended:
            if ended.code == STOPPED:
                raise
            # A script that runs its worker without asking for `__name__` gets as far as that.
            logging.getLogger("corral.handlers").debug("%s was read.", self._main_path)
        except BaseException:
            del sys.modules[MAIN]
            raise
        return loaded


def _find(module: ModuleType, name: str) -> Callable[..., Any]:
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _stop(number: int, frame: FrameType | None) -> None:
    # Unwinds the handler, so that its `finally` blocks run.
    raise SystemExit(STOPPED)


if __name__ == "__main__":
    os.set_inheritable(int(sys.argv[1]), False)
    Child(Connection(int(sys.argv[1]))).serve()
