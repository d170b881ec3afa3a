"""Opening a database whose server is not there yet."""

from __future__ import annotations

import math
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from raxol_sql.testing import FaultProxy

if TYPE_CHECKING:
    from tests.engine.conftest import Play


async def nothing(db: Any) -> None:
    """A story that is over as soon as the database is open."""


def test_by_default_a_server_that_is_away_is_said_at_once(play: Play, primary: Any) -> None:
    with FaultProxy(primary.conninfo()) as line:
        line.refuse()
        with pytest.raises(psycopg.OperationalError) as caught:
            play(nothing, line.conninfo)
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("wait", [30, 30.0, timedelta(seconds=30)])
def test_a_server_that_comes_within_the_wait_is_opened(
    play: Play, q: Any, primary: Any, wait: Any
) -> None:
    async def story(db: Any) -> None:
        assert await db.run(q.count()) == 0

    with FaultProxy(primary.conninfo()) as line:
        line.refuse()
        back = threading.Timer(0.3, line.heal)
        back.start()
        play(story, line.conninfo, wait=wait)
        back.join()


def test_a_server_that_does_not_come_is_the_error_of_the_last_attempt(
    play: Play, primary: Any
) -> None:
    with FaultProxy(primary.conninfo()) as line:
        line.refuse()
        began = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as caught:
            play(nothing, line.conninfo, wait=0.4)
        assert time.monotonic() - began >= 0.4
    assert "attempts were made" in " ".join(caught.value.__notes__)


def test_a_silent_server_is_not_waited_for_much_longer_than_asked(play: Play, primary: Any) -> None:
    with FaultProxy(primary.conninfo()) as line:
        line.accept_and_be_silent()
        began = time.monotonic()
        with pytest.raises(psycopg.errors.ConnectionTimeout):
            play(nothing, line.conninfo, wait=1)
        assert time.monotonic() - began < 8  # the time for connecting is 10 s


def test_what_is_refused_for_good_is_not_waited_for(play: Play, primary: Any) -> None:
    with FaultProxy(primary.conninfo("no_such_database")) as line:
        with pytest.raises(psycopg.OperationalError, match="no_such_database"):
            play(nothing, line.conninfo, wait=30)
        assert line.accepted == 1


@pytest.mark.parametrize("wait", [-1, math.nan, math.inf, timedelta(seconds=-1)])
def test_a_wait_that_is_none_or_has_no_end_is_refused(play: Play, primary: Any, wait: Any) -> None:
    with pytest.raises(ValueError, match="wait is 0 or more seconds"):
        play(nothing, primary.conninfo(), wait=wait)


@pytest.mark.parametrize("wait", ["5", True, None])
def test_a_wait_that_is_no_duration_is_refused(play: Play, primary: Any, wait: Any) -> None:
    with pytest.raises(TypeError, match="number of seconds or a timedelta"):
        play(nothing, primary.conninfo(), wait=wait)
