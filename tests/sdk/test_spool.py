"""What waits of an attempt's parts, progress and log: bounds, order, and the time to send."""

from __future__ import annotations

import json
import queue
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from corral.session.messages import Output
from corral.spool import FLUSH_MS, KEPT_BYTES, LOG_BYTES, SLICE_MS, SPOOL_BYTES, Spool, Spools
from corral_proto.v1 import worker_pb2
from tests.sdk.session_world import World

pytestmark = pytest.mark.anyio

Message = worker_pb2.WorkerMessage
SECONDS = 20.0


def told(messages: list[Message]) -> list[tuple[int, list[tuple[str, Any]]]]:
    return [
        (m.ephemeral.first, [(i.type, json.loads(i.payload)) for i in m.ephemeral.items])
        for m in messages
    ]


class Clock:
    """Spools, the times at which they woke the session, and whether the hub reads."""

    def __init__(self) -> None:
        self.spools = Spools()
        self.woken = 0
        self.room = True
        self.spools.wake = self.wake
        self.spools.has_room = lambda: self.room
        self.spool = self.spools.of("r", "1")

    def wake(self) -> None:
        self.woken += 1


@pytest.fixture
def clock() -> Clock:
    return Clock()


def flushed(clock: Clock, now: float) -> None:
    """Something has just been sent."""
    clock.spools.of("before", "1").put_sync(b"0")
    assert len(clock.spools.due(now, [])) == 1


def test_what_follows_within_20_ms_leaves_together(clock: Clock) -> None:
    other = clock.spools.of("other", "1")
    clock.spool.put_sync(b"0")
    other.put_sync(b"0")
    assert clock.woken == 1
    assert len(clock.spools.due(100, [])) == 2
    clock.spool.put_sync(b"1")
    assert clock.woken == 2
    assert clock.spools.due(101, []) == []
    assert clock.spools.next_flush() == 100 + FLUSH_MS
    # Its time is planned already.
    other.put_sync(b"2")
    clock.spool.put_sync(b"3")
    assert clock.woken == 2
    assert clock.spools.due(119, []) == []
    assert told(clock.spools.due(120, [])) == [
        (2, [("chunk", 1), ("chunk", 3)]), (2, [("chunk", 2)])
    ]  # fmt: skip
    assert clock.spools.next_flush() is None


def test_who_has_been_quiet_waits_a_slice_at_most_behind_others(clock: Clock) -> None:
    quiet = clock.spools.of("quiet", "1")
    flushed(clock, 100)
    clock.spool.put_sync(b"1")
    assert clock.spools.due(101, []) == []
    assert clock.spools.next_flush() == 100 + SLICE_MS
    woken = clock.woken
    quiet.put_sync(b"2")
    # Nothing can leave before what is planned already.
    assert clock.woken == woken
    assert told(clock.spools.due(110, [])) == [(1, [("chunk", 1)]), (1, [("chunk", 2)])]
    clock.spool.put_sync(b"3")
    assert clock.spools.due(111, []) == []
    assert clock.spools.next_flush() == 110 + FLUSH_MS
    woken = clock.woken
    late = clock.spools.of("late", "1")
    late.put_sync(b"4")
    assert clock.woken == woken + 1
    assert clock.spools.due(112, []) == []
    assert told(clock.spools.due(120, [])) == [(1, [("chunk", 4)])]
    assert clock.spools.next_flush() == 110 + FLUSH_MS
    assert told(clock.spools.due(130, [])) == [(2, [("chunk", 3)])]


def test_many_that_have_fallen_into_step_leave_in_two_halves(clock: Clock) -> None:
    many = [clock.spools.of(f"of-many-{number}", "1") for number in range(20)]
    for now in (100, 120, 140):
        for spool in many:
            spool.put_sync(b"1")
        assert len(clock.spools.due(now, [])) == 10
        assert clock.spools.next_flush() == now + SLICE_MS
        assert len(clock.spools.due(now + SLICE_MS, [])) == 10
        assert clock.spools.next_flush() is None


def test_no_word_of_any_thread_is_left_behind() -> None:
    spools = Spools()
    awake: queue.SimpleQueue[None] = queue.SimpleQueue()
    spools.wake = lambda: awake.put(None)

    def speak(thread: int) -> None:
        for number in range(400):
            spools.of(f"{thread}-{number % 7}", "1").put_sync(b"1")
            # Nothing is waited for: they speak at all moments of the session's round.
            time.sleep(0.0002 * (number % 3))

    threads = [threading.Thread(target=speak, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    heard = 0
    ends = time.monotonic() + SECONDS
    while heard < 4 * 400:
        # As the session's thread does: nothing but a call or a planned moment wakes it.
        flush = spools.next_flush()
        now = time.monotonic()
        assert now < ends, f"{heard} of 1600 parts were sent"
        try:
            awake.get(timeout=ends - now if flush is None else max(0, flush / 1000 - now))
        except queue.Empty:
            assert flush is not None, f"nobody woke the session; {heard} of 1600 parts were sent"
        sent = spools.due(time.monotonic() * 1000, [])
        heard += sum(len(message.ephemeral.items) for message in sent)
    for thread in threads:
        thread.join()


def test_after_20_quiet_ms_the_first_word_leaves_at_once(clock: Clock) -> None:
    clock.spool.put_sync(b"1")
    assert told(clock.spools.due(100, [])) == [(1, [("chunk", 1)])]
    clock.spool.put_sync(b"2")
    assert told(clock.spools.due(100 + FLUSH_MS, [])) == [(2, [("chunk", 2)])]


def test_4_kib_wait_no_longer_and_let_others_wait(clock: Clock) -> None:
    other = clock.spools.of("other", "1")
    other.put_sync(b"1")
    assert len(clock.spools.due(99, [])) == 1
    clock.spool.put_sync(b"1")
    other.put_sync(b"2")
    assert clock.spools.due(100, []) == []
    woken = clock.woken
    clock.spool.put_sync(b'"' + b"x" * 4096 + b'"')
    assert clock.woken == woken + 1
    assert [first for first, _ in told(clock.spools.due(101, []))] == [1]
    assert clock.spools.next_flush() == 99 + FLUSH_MS
    assert told(clock.spools.due(119, [])) == [(2, [("chunk", 2)])]
    # Once it has been sent it has no more than others.
    clock.spool.put_sync(b"3")
    assert clock.spools.due(121, []) == []
    assert clock.spools.next_flush() == 119 + SLICE_MS
    assert told(clock.spools.due(129, [])) == [(3, [("chunk", 3)])]


def test_an_attempt_that_ends_has_said_everything_before(clock: Clock) -> None:
    flushed(clock, 100)
    clock.spools.of("other", "1").put_sync(b"2")
    clock.spool.put_sync(b"1")
    assert told(clock.spools.due(100, [("r", "1")])) == [(1, [("chunk", 1)])]
    assert told(clock.spools.due(120, [])) == [(1, [("chunk", 2)])]


def test_an_attempt_that_ends_as_others_are_due_has_said_everything_too(clock: Clock) -> None:
    flushed(clock, 100)
    clock.spool.put_sync(b"1")
    assert len(clock.spools.due(110, [])) == 1
    clock.spool.put_sync(b"2")
    clock.spools.of("before", "1").put_sync(b"3")
    # Its own time comes at 130 only.
    sent = clock.spools.due(120, [("r", "1")])
    assert told(sent) == [(2, [("chunk", 2)]), (2, [("chunk", 3)])]


def test_an_end_leaves_nobody_behind_also_who_has_not_spoken_up_yet() -> None:
    class Interrupted(Spools):
        """A thread puts its part in, and is stopped before it says so."""

        def _speak(self, spool: Spool, urgent: bool) -> None:
            pass

    spools = Interrupted()
    spools.of("r", "1").put_sync(b"1")
    assert told(spools.due(100, [("r", "1")])) == [(1, [("chunk", 1)])]


def test_who_has_nothing_left_to_say_holds_nobody_up(clock: Clock) -> None:
    flushed(clock, 100)
    clock.spool.put_sync(b"1")
    assert len(clock.spools.due(105, [("r", "1")])) == 1
    assert clock.spools.next_flush() == 110
    assert clock.spools.due(110, []) == []
    assert clock.spools.next_flush() is None
    clock.spools.of("other", "1").put_sync(b"2")
    assert len(clock.spools.due(111, [])) == 1


def test_of_an_attempt_that_is_over_nothing_is_said(clock: Clock) -> None:
    for _ in range(10):
        clock.spool.log(b'"' + b"x" * 4000 + b'"')
    clock.spools.discard(("r", "1"))
    assert clock.spools.due(100, []) == []


def test_a_message_carries_at_most_256_parts_and_64_kib(clock: Clock) -> None:
    for _ in range(300):
        clock.spool.put_sync(b"1")
    for _ in range(5):
        clock.spool.put_sync(b'"' + b"x" * 16_000 + b'"')
    sent = clock.spools.due(0, [])
    assert [(first, len(items)) for first, items in told(sent)] == [(1, 256), (257, 48), (305, 1)]


async def test_a_full_spool_holds_its_own_handler_back_and_no_other(clock: Clock) -> None:
    part = b'"' + b"x" * 16_000 + b'"'
    said = 0

    async def speak() -> None:
        nonlocal said
        for _ in range(40):
            await clock.spool.put(part)
            said += 1

    async with anyio.create_task_group() as group:
        group.start_soon(speak)
        await anyio.wait_all_tasks_blocked()
        assert said * len(part) >= SPOOL_BYTES
        assert (said - 1) * len(part) < SPOOL_BYTES
        await clock.spools.of("other", "1").put(b"1")
        # Nor is there more room while the hub does not read.
        clock.room = False
        assert clock.spools.due(0, []) == []
        assert clock.spools.next_flush() == FLUSH_MS
        clock.room = True
        while said < 40:
            clock.spools.due(clock.woken * 1000, [])
            await anyio.lowlevel.checkpoint()


def test_who_waits_for_room_is_let_go_when_nobody_wants_to_hear_it(clock: Clock) -> None:
    part = b'"' + b"x" * 16_000 + b'"'

    def speak() -> None:
        for _ in range(100):
            clock.spool.put_sync(part)

    thread = threading.Thread(target=speak)
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    clock.spools.discard(("r", "1"))
    thread.join(10)
    assert not thread.is_alive()
    assert clock.spools.due(1000, []) == []


def test_lines_beyond_their_share_are_dropped_and_counted(clock: Clock) -> None:
    line = b'"' + b"x" * 4000 + b'"'
    for _ in range(10):
        clock.spool.log(line)
    clock.spool.put_sync(b"1")
    items = [item for _, items in told(clock.spools.due(0, [])) for item in items]
    lines = LOG_BYTES // len(line)
    assert [kind for kind, _ in items] == ["log"] * lines + ["chunk", "log"]
    assert items[-1] == ("log", {"dropped": 10 - lines})
    clock.spool.log(b'"again"')
    assert told(clock.spools.due(100, []))[0][1] == [("log", "again")]


def test_of_progress_the_latest_word_counts(clock: Clock) -> None:
    for number in range(5):
        clock.spool.progress(b"%d" % number)
    clock.spool.put_sync(b"9")
    assert told(clock.spools.due(0, [])) == [(1, [("chunk", 9), ("progress", 4)])]


def test_another_stream_gets_the_latest_again_and_what_has_waited(clock: Clock) -> None:
    clock.spool.put_sync(b"1")
    sent = clock.spools.due(0, [])
    clock.spool.put_sync(b"2")
    clock.spools.pause()
    again = clock.spools.again()
    assert again[0] == sent[0]
    assert told(again) == [(1, [("chunk", 1)]), (2, [("chunk", 2)])]
    for _ in range(30):
        clock.spool.put_sync(b'"' + b"x" * 16_000 + b'"')
        clock.spools.due(1000, [("r", "1")])
    kept = sum(m.ByteSize() for m in clock.spools.again())
    assert KEPT_BYTES / 2 < kept <= KEPT_BYTES + 1000


def test_parts_leave_before_the_result_also_over_another_stream() -> None:
    world = World()
    world.welcome()
    world.assign("r")
    spool = world.core.spools.of("r", "1")
    spool.put_sync(b"1")
    world.ends("r", Output(b"9"))
    assert _kinds(world) == ["ephemeral", "result"]
    world.assign("s")
    world.core.spools.of("s", "1").put_sync(b"1")
    world.cut()
    world.ends("s", Output(b"9"))
    assert world.said() == []
    world.hello()
    world.welcome(resumed=True)
    # The first result is not acknowledged either.
    kinds = _kinds(world)
    assert kinds == ["ephemeral", "ephemeral", "result", "result"]
    assert [said.run_id for said in world.said("ephemeral")] == ["r", "s"]


def test_nothing_is_kept_of_an_attempt_that_is_over() -> None:
    world = World()
    world.welcome()
    world.assign("r")
    world.core.spools.of("r", "1").put_sync(b"1")
    world.ends("r")
    world.ack(1)
    world.assign("s")
    world.core.spools.of("s", "1").put_sync(b"1")
    world.stop("s")
    assert world.core.spools.again() == []


def test_the_core_wakes_when_something_is_to_be_sent_and_not_without_a_stream() -> None:
    world = World()
    world.welcome()
    world.assign("r")
    world.core.spools.of("r", "1").put_sync(b"1")
    world.pass_time(0)
    assert [said.first for said in world.said("ephemeral")] == [1]
    world.core.spools.of("r", "1").put_sync(b"2")
    world.pass_time(0)
    assert world.core.next_wakeup() == world.now + FLUSH_MS
    world.pass_time(FLUSH_MS)
    assert [said.first for said in world.said("ephemeral")] == [2]
    world.core.spools.of("r", "1").put_sync(b"3")
    world.pass_time(0)
    world.cut()
    flush = world.core.spools.next_flush()
    assert flush is None


def _kinds(world: World) -> list[str]:
    return [
        kind
        for action in world.actions
        if (message := getattr(action, "message", None)) is not None
        and (kind := message.WhichOneof("message")) in ("ephemeral", "result")
    ]
