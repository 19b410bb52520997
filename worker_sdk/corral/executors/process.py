"""Handlers that are plain functions in processes of their own: what can crash, or hold the GIL.

One child per slot, used again and replaced after a number of runs. A child that dies ends
the run that it had, and no other. Children belong to one executor and end with it.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pipe
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from corral.context import Context, Outlet
from corral.executors.outcomes import executor_died
from corral.handlers import Handler
from corral.session.messages import Abandoned, Failure, Outcome, Output, Park, Remark, Saying
from corral_proto.v1 import common_pb2, worker_pb2

logger = logging.getLogger("corral.handlers")

PROGRAM = str(Path(__file__).with_name("child.py"))
# How often a silent child is looked at.
WATCH_SECONDS = 0.2
CLOSE_SECONDS = 5.0
_SAYINGS: dict[str, type[Saying]] = {
    kind.__name__: kind
    for kind in (worker_pb2.InputRequest, worker_pb2.Checkpoint, worker_pb2.Step)
}

Done = Callable[[Outcome], None]


class ChildProcess:
    """One child, seen from the worker. `stop` may be called from any thread."""

    def __init__(self, device: int | None) -> None:
        self.device = device
        self.runs = 0
        self.stopped = False
        self._kill_at: float | None = None
        self._sending = threading.Lock()
        self._telling: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._teller: threading.Thread | None = None
        ours, theirs = Pipe()
        self._connection = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | _visible(device),
                # Ctrl-C on a terminal is for the worker, which then decides about its runs.
                start_new_session=True,
            )
        main = getattr(sys.modules["__main__"], "__file__", None)
        path = os.path.abspath(main) if main else None
        self.send((list(sys.path), path, logging.getLogger().getEffectiveLevel()))

    def send(self, frame: tuple[Any, ...]) -> None:
        """Sends a frame; when the child is gone, `receive` says so."""
        try:
            with self._sending:
                self._connection.send(frame)
        except OSError:
            logger.debug("Child %d is gone.", self._process.pid)

    def tell(self, frame: tuple[Any, ...]) -> None:
        """Sends a frame without waiting for a child that does not read at the moment."""
        if self._teller is None:
            self._teller = threading.Thread(
                target=self._send_told, name="corral-process-tell", daemon=True
            )
            self._teller.start()
        self._telling.put(frame)

    def _send_told(self) -> None:
        while (frame := self._telling.get()) is not None:
            self.send(frame)

    def receive(self) -> tuple[Any, ...] | None:
        """Waits for a frame, and kills a child that does not stop; None: the child has ended."""
        while True:
            try:
                if self._connection.poll(WATCH_SECONDS):
                    return self._connection.recv()
                gone = self._process.poll() is not None and not self._connection.poll(0)
            except (EOFError, OSError, UnpicklingError):
                return None
            if gone:
                return None
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self.kill()

    def stop(self, grace_ms: int) -> None:
        """Sends SIGTERM; SIGKILL follows after the grace."""
        if not self.stopped:
            self.stopped = True
            self._kill_at = time.monotonic() + grace_ms / 1000
            self._process.terminate()

    def kill(self) -> None:
        """Kills the child with all that it has started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.debug("Child %d has ended already.", self._process.pid)

    def close(self, seconds: float = CLOSE_SECONDS) -> int:
        """Ends the child and gives its exit code, negative for a signal."""
        self._telling.put(None)
        self._connection.close()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()


class ProcessExecutor:
    """Runs functions in at most `slots` children. Safe in threads."""

    def __init__(self, outlet: Outlet, slots: int) -> None:
        self._outlet = outlet
        self._slots = slots
        self._pool = ThreadPoolExecutor(slots, thread_name_prefix="corral-process")
        self._lock = threading.Lock()
        self._idle: list[ChildProcess] = []
        self._running: dict[Context, tuple[ChildProcess, int]] = {}

    def start(
        self,
        handler: Handler[..., Any, Any],
        context: Context,
        assignment: worker_pb2.Assignment,
        done: Done,
    ) -> None:
        """Begins a handler as soon as a slot is free; `done` is called in a thread."""
        self._pool.submit(self._execute, handler, context, assignment, done)

    def stop(self, context: Context) -> None:
        """Sends SIGTERM to the child of a run, and SIGKILL after the handler's grace."""
        with self._lock:
            found = self._running.get(context)
        if found is not None:
            found[0].stop(found[1])

    def tell(self, context: Context, frame: tuple[Any, ...]) -> None:
        """Says something to the child of a run; nothing happens when it has ended."""
        with self._lock:
            found = self._running.get(context)
        if found is not None:
            found[0].tell(frame)

    def close(self) -> None:
        """Waits until every handler has ended, and ends the children."""
        self._pool.shutdown()
        for child in self._idle:
            child.close()
        self._idle.clear()

    def _execute(
        self,
        handler: Handler[..., Any, Any],
        context: Context,
        assignment: worker_pb2.Assignment,
        done: Done,
    ) -> None:
        try:
            child = self._take(context.device)
        except OSError as error:
            # No process can be started: the machine is out of something.
            context.tell_ended()
            done(executor_died(f"could not be started: {error}"))
            return
        with self._lock:
            self._running[context] = (child, handler.stop_grace_ms)
        if context.cancelled:
            child.stop(handler.stop_grace_ms)
        until_ms = self._outlet.horizon.until_ms
        child.send(("run", *handler.place, assignment.SerializeToString(), until_ms))
        outcome = self._listen(child, context)
        with self._lock:
            del self._running[context]
        child.runs += 1
        if outcome is None:
            code = child.close(seconds=1.0)
            outcome = Abandoned() if child.stopped else executor_died(_cause(code))
        elif child.stopped or child.runs >= handler.recycle_after:
            child.close(seconds=handler.stop_grace_ms / 1000)
        else:
            with self._lock:
                self._idle.append(child)
        context.tell_ended()
        done(outcome)

    def _listen(self, child: ChildProcess, context: Context) -> Outcome | None:
        while True:
            match child.receive():
                case ("event", str(type_), bytes(payload)):
                    # Waits here while too many are on their way: the pipe holds the child back.
                    self._outlet.credit.take_sync()
                    self._outlet.say_event(context.run_id, context.fence, type_, payload)
                case ("chunk", bytes(payload)):
                    self._outlet.spool(context.run_id, context.fence).put_sync(payload)
                case ("log", bytes(payload)):
                    self._outlet.spool(context.run_id, context.fence).log(payload)
                case ("progress", bytes(payload)):
                    self._outlet.spool(context.run_id, context.fence).progress(payload)
                case ("remark", int(ticket), str(name), bytes(data)) if name in _SAYINGS:
                    remark = Remark(ticket, _SAYINGS[name].FromString(data))
                    self._outlet.say_remark(context.run_id, context.fence, remark)
                case ("unsure", int(ticket)):
                    self._outlet.say_remark(context.run_id, context.fence, Remark(ticket, None))
                case ("abandoned",):
                    return Abandoned()
                case ("park", str(request_id)):
                    return Park(request_id)
                case ("output", bytes(data)):
                    return Output(data)
                case ("error", bytes(data)):
                    return Failure(common_pb2.RunError.FromString(data))
                case None:
                    return None
                case frame:
                    logger.warning("A child process said what no child says: %r", frame)
                    child.kill()

    def _take(self, device: int | None) -> ChildProcess:
        """Gives an idle child with this device, or a new one in the place of another."""
        surplus = None
        with self._lock:
            for child in self._idle:
                if child.device == device:
                    self._idle.remove(child)
                    return child
            if len(self._idle) + len(self._running) >= self._slots and self._idle:
                surplus = self._idle.pop(0)
        if surplus is not None:
            surplus.close()
        return ChildProcess(device)


def _visible(device: int | None) -> dict[str, str]:
    """Shows one device to CUDA, counted among those that the worker itself may see."""
    if device is None:
        return {}
    seen = [part.strip() for part in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if part]
    return {"CUDA_VISIBLE_DEVICES": seen[device] if device < len(seen) else str(device)}


def _cause(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
