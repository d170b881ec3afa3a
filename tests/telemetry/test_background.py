"""What is left for later is done, in order, in the context in which it was left, and once."""

from __future__ import annotations

import contextvars
import gc
import subprocess
import sys
import textwrap
import threading
import time
import weakref

import pytest

from raxol_sql.telemetry.background import Background

WORD: contextvars.ContextVar[str] = contextvars.ContextVar("word", default="none")


def test_works_are_done_in_order_in_the_context_of_their_giver() -> None:
    background, done, is_over = Background("test"), [], threading.Event()

    for number in range(500):
        token = WORD.set(f"word {number}")
        background.add(lambda number=number: done.append((number, WORD.get())))
        WORD.reset(token)
    background.add(is_over.set)

    assert is_over.wait(10)
    assert done == [(number, f"word {number}") for number in range(500)]


def test_what_many_threads_leave_is_done_once_each() -> None:
    background, done = Background("test"), []

    def give(thread: int) -> None:
        for number in range(300):
            background.add(lambda number=number: done.append((thread, number)))

    threads = [threading.Thread(target=give, args=(one,)) for one in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    background.flush()

    assert len(done) == 1_200


def test_it_wakes_up_for_what_comes_after_a_rest() -> None:
    background = Background("test")
    for _ in range(3):
        is_done = threading.Event()
        background.add(is_done.set)
        assert is_done.wait(10)
        time.sleep(0.05)  # long enough for the thread to rest, and no harm if it does not


def test_who_gives_more_than_it_keeps_waits_for_one_of_them() -> None:
    background, done, begun, ends = Background("test"), [], threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        ends.wait(10)

    background.add(long)
    assert begun.wait(10)
    thread = threading.Thread(
        target=lambda: [background.add(lambda: done.append(None)) for _ in range(10_500)]
    )
    thread.start()
    thread.join(0.5)
    is_held = thread.is_alive()  # it waits for the thread that is busy, and keeps no more
    ends.set()
    thread.join()
    background.flush()

    assert is_held
    assert len(done) == 10_500


def test_one_that_fails_is_logged_and_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    background, done = Background("test"), []

    background.add(lambda: 1 / 0)
    background.add(lambda: done.append(1))
    background.flush()

    assert done == [1]
    assert [one.name for one in caplog.records] == ["raxol_sql.telemetry"]


def test_above_its_limit_one_piece_is_done_for_each_that_comes() -> None:
    background, done, begun, ends = Background("test"), [], threading.Event(), threading.Event()

    def long() -> None:
        begun.set()
        ends.wait(10)

    background.add(long)
    assert begun.wait(10)
    for number in range(10_000):
        background.add(lambda number=number: done.append(number))
    thread = threading.Thread(target=background.add, args=(lambda: done.append(-1),))
    thread.start()
    ends.set()
    thread.join(10)

    assert not thread.is_alive()
    background.flush()
    assert done == [*range(10_000), -1]


def test_closing_it_ends_the_thread_and_what_comes_later_is_done_at_once() -> None:
    background, done = Background("a test that closes"), []
    background.add(lambda: done.append(1))
    background.close()
    deadline = time.monotonic() + 10
    while any(one.name == "a test that closes" for one in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.005)

    background.add(lambda: done.append(2))

    assert done == [1, 2]


def test_what_was_left_with_one_that_is_forgotten_is_done() -> None:
    background, done = Background("test"), []
    is_done = threading.Event()
    for number in range(50):
        background.add(lambda number=number: done.append(number))
    background.add(is_done.set)

    del background

    assert is_done.wait(10)
    assert done == [*range(50)]


def test_one_that_tries_to_end_the_program_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    background, is_done = Background("test"), threading.Event()

    def leave() -> None:
        raise SystemExit

    background.add(leave)
    background.add(is_done.set)

    assert is_done.wait(10)
    assert "tried to end the program" in caplog.text


def test_whoever_forgets_it_is_rid_of_it() -> None:
    background = Background("test")
    known = weakref.ref(background)
    is_done = threading.Event()
    background.add(is_done.set)
    assert is_done.wait(10)

    del background
    deadline = time.monotonic() + 20
    while known() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)

    assert known() is None


def test_the_end_of_the_process_does_what_is_left() -> None:
    script = """
        from raxol_sql.telemetry.background import Background
        background = Background("test")
        for number in range(5):
            background.add(lambda number=number: print(number))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )

    assert done.stdout.split() == ["0", "1", "2", "3", "4"]
