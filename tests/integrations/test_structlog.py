"""The query log in structlog's hands: JSON with figures and the request's own keys."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog

import raxol_sql as rx

ANN = {"email": "ann@example.org", "name": "Ann", "age": 34}


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The lines of the query log as structlog writes them, from JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.add_log_level,
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logger = logging.getLogger("raxol_sql.queries")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    structlog.contextvars.clear_contextvars()
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.contextvars.clear_contextvars()
    logger.setLevel(logging.NOTSET)
    logger.removeHandler(handler)


def test_a_line_is_json_with_the_figures_under_their_names(
    db: rx.Database, queries: rx.Queries, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    events: list[Any] = []
    db.subscribe(events.append)
    db.enable_query_logging()
    db.run(queries.users.count())
    db.disable_query_logging()

    (line,) = lines()
    (event,) = events
    assert line["event"].startswith("QUERY OK name=users.count db=")
    assert (line["level"], line["query"], line["operation"]) == ("debug", "users.count", "run")
    assert (line["rows"], line["attempt"]) == (1, 1)
    assert (line["error"], line["category"]) == (None, None)
    times = ("db_ms", "decode_ms", "queue_ms", "idle_ms", "total_ms")
    assert [line[name] for name in times] == [
        event.query_ms,
        event.decode_ms,
        event.queue_ms,
        event.idle_ms,
        event.total_ms,
    ]


def test_a_failure_is_an_error_with_its_code_and_no_value(
    db: rx.Database, queries: rx.Queries, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    db.run(queries.users.create(**ANN))
    db.enable_query_logging()
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.run(queries.users.create(**ANN))
    db.disable_query_logging()

    (line,) = lines()
    assert (line["level"], line["error"], line["category"]) == ("error", "23505", "constraint")
    assert "ann" not in json.dumps(line).lower()


def test_what_a_request_has_bound_is_in_the_lines_of_its_own_queries(
    db: rx.Database, queries: rx.Queries, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    db.enable_query_logging()
    for number in range(3):
        with structlog.contextvars.bound_contextvars(request_id=f"r{number}"):
            db.run(queries.users.count())
    db.run(queries.users.all())
    db.disable_query_logging()

    assert [(line["query"], line.get("request_id")) for line in lines()] == [
        ("users.count", "r0"),
        ("users.count", "r1"),
        ("users.count", "r2"),
        ("users.all", None),
    ]


def test_tasks_that_run_beside_each_other_keep_their_keys_apart(
    open_async: Callable[[], rx.AsyncDatabase],
    queries: rx.Queries,
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    async def request(db: rx.AsyncDatabase, number: int) -> None:
        structlog.contextvars.bind_contextvars(request_id=number)
        await db.run(queries.users.count())
        await db.run(queries.users.get(id=number))

    async def main() -> None:
        async with open_async() as db:
            db.enable_query_logging()
            await asyncio.gather(*(request(db, number) for number in range(8)))
            db.disable_query_logging()

    asyncio.run(main())
    found = sorted((line["request_id"], line["query"]) for line in lines())
    assert found == [(number, name) for number in range(8) for name in ("users.count", "users.get")]
