"""The wire: requests that fail before they are sent, and traffic that is large both ways."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.engine.core.concurrency import BLOCKING, run_sync
from raxol_sql.engine.wire.pipeline import Pipeline

if TYPE_CHECKING:
    from tests.engine.conftest import Play


@pytest.fixture
def wire(side: psycopg.Connection[Any]) -> Pipeline:
    return Pipeline(BLOCKING, side)


def asked(wire: Pipeline, text: bytes) -> bytes | None:
    request = partial(wire.pgconn.send_query_params, text, None)
    return run_sync(wire.ask(request)).get_value(0, 0)


def refuse() -> None:
    raise LookupError("not to be sent")


def test_a_request_that_cannot_be_made_leaves_the_connection_usable(wire: Pipeline) -> None:
    with pytest.raises(LookupError):
        run_sync(wire.ask(refuse))

    assert asked(wire, b"select 1") == b"1"


@pytest.mark.parametrize("before", [0, 1, 200])
def test_so_does_one_among_others(wire: Pipeline, before: int) -> None:
    pgconn = wire.pgconn
    with pytest.raises(LookupError):
        run_sync(
            wire.exchange(
                [*[partial(pgconn.send_query_params, b"select 1", None)] * before, refuse]
            )
        )

    assert asked(wire, b"select 1") == b"1"
    assert not wire.is_expecting


def test_what_is_posted_twice_is_collected_in_that_order(wire: Pipeline) -> None:
    pgconn = wire.pgconn
    for first in (1, 3):
        texts = [b"select %d" % first, b"select %d" % (first + 1)]
        run_sync(wire.post([partial(pgconn.send_query_params, text, None) for text in texts]))

    got = [run_sync(wire.collect()), run_sync(wire.collect())]

    assert [[one.get_value(0, 0) for one in results] for results in got] == [
        [b"1", b"2"],
        [b"3", b"4"],
    ]
    assert asked(wire, b"select 5") == b"5"


def test_large_arguments_and_large_results_do_not_wait_for_each_other(
    play: Play, write: Any
) -> None:
    q = write("-- name: echo :one -> scalar\nselect :x::text;")
    texts = [chr(97 + number % 26) * 200_000 for number in range(120)]

    async def story(db: Any) -> None:
        assert await db.run_many(q.echo, [{"x": text} for text in texts]) == texts
        assert await db.run_all([q.echo(x=text) for text in texts]) == texts
        multi = rx.Multi()
        for number, text in enumerate(texts):
            multi = multi.add(str(number), q.echo(x=text))
        assert list((await db.run(multi)).values()) == texts

    play(story)
