"""A password callable is called for each new connection, and whatever it does is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.config import Secret

if TYPE_CHECKING:
    from tests.engine.conftest import Play

NOTE = "raised by the password callable, which is called for each new connection"


@pytest.fixture
def locked(spare: Any) -> str:
    """The connection string of a role that needs its password, "right"."""
    return make_conninfo(spare.conninfo, user="locked")


async def _pid(db: Any, q: Any) -> int:
    pid: int = await db.run(q.me())
    return pid


def test_it_is_called_for_each_new_connection_so_that_tokens_rotate(
    play: Play, locked: str, spare: Any, q: Any
) -> None:
    tokens = iter(range(100))
    given: list[str] = []

    def token() -> str:
        given.append(f"token-{next(tokens)}")
        spare.side(f"alter role locked password '{given[-1]}'")
        return given[-1]

    async def story(db: Any) -> None:
        first = await _pid(db, q)
        await db.recycle()
        assert await _pid(db, q) != first

    try:
        play(story, locked, password=token, pool_size=1)
    finally:
        spare.side("alter role locked password 'right'")
    assert len(given) == len({*given}) >= 2


def test_what_it_gives_may_be_a_secret(play: Play, locked: str, q: Any) -> None:
    assert play(lambda db: _pid(db, q), locked, password=lambda: Secret("right"))


def test_it_stands_above_every_other_password(play: Play, locked: str, q: Any) -> None:
    wrong = make_conninfo(locked, password="wrong")

    assert play(lambda db: _pid(db, q), wrong, password=lambda: "right")


def test_a_coroutine_function_is_awaited_by_asyncio_and_refused_by_the_blocking_database(
    play: Play, locked: str, q: Any
) -> None:
    async def token() -> str:
        return "right"

    for password in (token, lambda: token()):
        if play.colour == "asyncio":
            assert play(lambda db: _pid(db, q), locked, password=password)
            continue
        with pytest.raises(rx.errors.ConfigError, match="an asynchronous one is for AsyncDatabase"):
            play(lambda db: _pid(db, q), locked, password=password)


@pytest.mark.parametrize("answer", [None, 7, b"s3cr3t", ["s3cr3t"], "s3cr3t\0", "s3cr3t\udcff"])
def test_an_answer_that_is_no_text_is_an_error_that_does_not_show_it(
    play: Play, locked: str, q: Any, answer: object
) -> None:
    with pytest.raises(
        rx.errors.ConfigError, match=r"the password callable must return a str"
    ) as caught:
        play(lambda db: _pid(db, q), locked, password=lambda: answer)

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("kind", [RuntimeError, TimeoutError, KeyError, psycopg.OperationalError])
def test_its_error_is_that_of_the_attempt_with_a_note(
    play: Play, locked: str, q: Any, kind: type[Exception]
) -> None:
    def failing() -> str:
        raise kind("no token today")

    with pytest.raises(kind, match="no token today") as caught:
        play(lambda db: _pid(db, q), locked, password=failing)

    assert caught.value.__notes__.count(NOTE) == 1


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_would_end_a_program_ends_the_attempt(
    play: Play, locked: str, q: Any, kind: type[BaseException]
) -> None:
    def failing() -> str:
        raise kind

    with pytest.raises(
        rx.errors.ConfigError, match=f"the password callable raised {kind.__name__}"
    ):
        play(lambda db: _pid(db, q), locked, password=failing)


def test_a_call_that_needs_a_new_connection_has_the_error_and_the_next_one_goes_well(
    play: Play, locked: str, q: Any
) -> None:
    is_broken = threading.Event()

    def token() -> str:
        if is_broken.is_set():
            raise RuntimeError("no token today")
        return "right"

    async def story(db: Any) -> None:
        await _pid(db, q)
        is_broken.set()
        await db.recycle()
        with pytest.raises(RuntimeError, match="no token today") as caught:
            await _pid(db, q)
        assert NOTE in caught.value.__notes__
        is_broken.clear()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                assert await _pid(db, q)
                return
            except RuntimeError:
                continue
        raise AssertionError("it stayed broken")

    play(story, locked, password=token, pool_size=2, pool_min_size=0)


def test_one_that_does_not_return_ends_with_the_deadline(play: Play, locked: str, q: Any) -> None:
    over = threading.Event()
    is_slow = threading.Event()

    def token() -> str:
        if is_slow.is_set():
            over.wait(20)
        return "right"

    async def story(db: Any) -> None:
        await _pid(db, q)
        is_slow.set()
        await db.recycle()
        since = time.monotonic()
        with pytest.raises(
            psycopg.errors.ConnectionTimeout, match="password callable did not return"
        ):
            await _pid(db, q)
        assert time.monotonic() - since < 1.5
        over.set()

    try:
        play(story, locked, password=token, pool_size=1, pool_min_size=0, timeout=700)
        since = time.monotonic()
        over.clear()
        with pytest.raises(psycopg.errors.ConnectionTimeout, match=r"did not return within 0\.3 s"):
            play(story, locked, password=token, timeout=300)
        assert time.monotonic() - since < 1.5
    finally:
        over.set()


def test_a_plan_and_a_command_of_the_same_configuration_ask_it_too(
    locked: str, spare: Any, q: Any
) -> None:
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return "right"

    config = rx.Config.find(locked, password=token)

    with config.target().connect() as connection:
        assert connection.execute("select current_user").fetchone() == ("locked",)
    assert asked == [1]
    assert "password" not in config.conninfo()
    assert ("password", "********", "argument") in [*config.describe()]


CALLABLES: list[Callable[[], str]] = [lambda: "x", str, threading.Event().is_set]  # type: ignore[list-item]


@pytest.mark.parametrize("password", CALLABLES)
def test_a_callable_is_in_no_repr(password: Callable[[], str]) -> None:
    config = rx.Config.find(environ={}, password=password)

    assert config.password is password
    assert repr(password) not in repr(config)
