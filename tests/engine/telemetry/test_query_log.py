"""Query logging: lines, levels, slow queries and their plans."""

from __future__ import annotations

import contextvars
import inspect
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql.engine.core.concurrency import run_sync
from raxol_sql.telemetry.query_log import LOGGER
from tests.engine.conftest import Play
from tests.engine.telemetry.conftest import Lines

TEXT = """
    -- name: one :one -> scalar
    select :n::int;

    -- name: sleep :one
    select pg_sleep(:seconds) is null as slept;

    -- name: odd :exec
    select 1 / :n::int;

    -- name: find :many
    select id from users where email = :email order by name;
"""
_LINE = re.compile(
    r"QUERY OK name=q\.one db=\d+\.\dms decode=\d+\.\dms queue=\d+\.\dms idle=\d+ms "
    r"rows=1 attempt=1"
)


def test_three_queries_between_on_and_off_are_three_lines(
    play: Play, write: Any, lines: Lines
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        await db.run(q.one(n=0))
        db.enable_query_logging()
        db.enable_query_logging()  # twice doubles nothing
        for n in range(3):
            await db.run(q.one(n=n))
        db.disable_query_logging()
        db.disable_query_logging()
        await db.run(q.one(n=0))

    play(story, stacktrace=False)

    assert len(lines.texts) == 3
    assert all(map(_LINE.fullmatch, lines.texts))
    assert {record.levelno for record in lines.records} == {logging.DEBUG}


def test_closing_the_database_writes_what_is_left(play: Play, write: Any, lines: Lines) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        db.enable_query_logging()
        await db.run(q.one(n=1))

    play(story)

    assert len(lines.texts) == 1


def test_a_line_says_where_the_call_was_made_if_stacktrace_is_on(
    play: Play, write: Any, lines: Lines
) -> None:
    q = write(TEXT)
    place = ""

    async def story(db: Any) -> None:
        nonlocal place
        db.enable_query_logging()
        await db.run(q.one(n=1)); place = _here()  # fmt: skip  # noqa: E702

    play(story, stacktrace=True)
    play(story, stacktrace=False)

    # The blocking call is made through one more frame of the test's own.
    caller = lines.texts[0].rpartition("caller=")[2]
    if play.colour == "asyncio":
        assert caller == place
    assert Path(caller.rpartition(":")[0]).is_relative_to(Path(__file__).parent.parent)
    assert vars(lines.records[0])["caller"] == caller
    assert "caller=" not in lines.texts[1]


def _here() -> str:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return f"{__file__}:{frame.f_back.f_lineno}"


def test_a_line_of_a_script_names_its_line(
    accounts_database: str, write: Any, lines: Lines
) -> None:
    q = write(TEXT)
    with rx.Database.open(accounts_database, stacktrace=True) as db:
        db.enable_query_logging()
        db.run(q.one(n=1)); place = _here()  # fmt: skip  # noqa: E702

    assert lines.texts[0].endswith(f"caller={place}")
    assert f"{lines.records[0].pathname}:{lines.records[0].lineno}" == place


def test_a_failure_is_an_error_and_what_is_slow_a_warning(
    play: Play, write: Any, lines: Lines
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        db.enable_query_logging("info", slow_ms=50)
        await db.run(q.one(n=1))
        await db.run(q.sleep(seconds=0.06))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await db.run(q.odd(n=0))

    play(story, stacktrace=False)

    assert [record.levelname for record in lines.records] == ["INFO", "WARNING", "ERROR"]
    assert lines.texts[1].endswith(" slow")
    assert lines.texts[2].startswith("QUERY ERROR name=q.odd error=22012 category=data db=")


def test_no_line_has_a_value_in_it(play: Play, write: Any, lines: Lines) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        db.enable_query_logging(slow_ms=0, explain=True)
        await db.run(q.find(email="SECRET42"))
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            await db.run(q.one(n="SECRET42"))

    play(story)

    assert len(lines.texts) == 3
    assert "SECRET42" not in repr([vars(record) for record in lines.records])


def test_a_slow_query_is_logged_with_its_plan_once_a_minute(
    play: Play, write: Any, lines: Lines
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        db.enable_query_logging(slow_ms=0, explain=True)
        await db.run(q.find(email="a"))
        await db.run(q.find(email="b"))

    play(story)

    first, plan, second = lines.texts
    assert first.startswith("QUERY OK name=q.find")
    assert second.startswith("QUERY OK name=q.find")
    assert plan.startswith("PLAN name=q.find\n")
    assert "email" in plan
    assert "$1" in plan
    assert "cost=" in plan


def test_a_statement_without_a_plan_is_told_so_and_nothing_breaks(
    play: Play, write: Any, lines: Lines
) -> None:
    q = write("-- name: made :exec\ncreate temporary table t (n int)")

    async def story(db: Any) -> None:
        db.enable_query_logging(slow_ms=0, explain=True)
        await db.run(q.made())

    play(story)

    assert lines.texts[1] == "PLAN name=q.made\nnone: SyntaxError"


def test_a_share_of_the_lines_is_logged_but_every_failure(
    play: Play, write: Any, lines: Lines
) -> None:
    q = write(TEXT)

    async def story(db: Any) -> None:
        db.enable_query_logging(sample=0)
        await db.run(q.one(n=1))
        with pytest.raises(psycopg.errors.DivisionByZero):
            await db.run(q.odd(n=0))

    play(story)

    assert [record.levelname for record in lines.records] == ["ERROR"]


def test_the_record_has_the_thread_the_context_and_the_time_of_the_call(
    accounts_database: str, write: Any
) -> None:
    q = write(TEXT)
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request")
    seen = []

    class Filter(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append((record.threadName, request.get(), record.created))
            return True

    handler = logging.NullHandler()
    handler.addFilter(Filter())
    handler.handle = handler.filter  # type: ignore[assignment, method-assign]
    logger = logging.getLogger(LOGGER)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        with rx.Database.open(accounts_database) as db:
            events: list[rx.telemetry.QueryEvent] = []
            db.subscribe(events.append)
            db.enable_query_logging()

            def work(name: str) -> None:
                request.set(name)
                db.run(q.one(n=1))

            for name in ("first", "second"):
                thread = threading.Thread(target=work, args=(name,), name=f"thread {name}")
                thread.start()
                thread.join()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    assert seen == [
        ("thread first", "first", events[0].ended),
        ("thread second", "second", events[1].ended),
    ]


def test_nothing_is_dropped_when_the_handler_is_slower_than_the_calls(
    accounts_database: str, write: Any, lines: Lines
) -> None:
    q = write(TEXT)
    with rx.Database.open(accounts_database) as db:
        db.enable_query_logging()
        for n in range(2_000):
            db.run(q.one(n=n))

    assert len(lines.texts) == 2_000


FORKED = """
    import logging, os, signal, sys
    import raxol_sql as rx

    class Lines(logging.Handler):
        count = 0

        def emit(self, record):
            self.count += 1

    lines = Lines()
    logging.getLogger("raxol_sql.queries").addHandler(lines)
    logging.getLogger("raxol_sql.queries").setLevel(logging.DEBUG)
    q = rx.load(sys.argv[2]).q
    with rx.Database.open(sys.argv[1]) as db:
        db.enable_query_logging()
        db.run(q.one(n=1))
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            before = lines.count
            db.run(q.one(n=1))
            db.disable_query_logging()
            os._exit(lines.count - before)
        _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), lines.count)
"""


def test_a_child_process_logs_its_own_lines_and_no_others(
    accounts_database: str, write: Any, tmp_path: Path, printed: Callable[..., list[str]]
) -> None:
    write(TEXT)

    assert printed(FORKED, accounts_database, tmp_path / "sql0") == ["1", "1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"level": "loud"},
        {"level": None},
        {"level": True},
        {"slow_ms": -1},
        {"slow_ms": float("nan")},
        {"sample": 1.5},
    ],
)
def test_options_out_of_bounds_are_refused(accounts_database: str, wrong: dict[str, Any]) -> None:
    with (
        rx.Database.open(accounts_database) as db,
        pytest.raises(ValueError, match=r"level|slow_ms|sample"),
    ):
        db.enable_query_logging(**wrong)


def test_a_handler_that_asks_the_database_itself_is_called_once_for_each_call(
    accounts_database: str, write: Any, lines: Lines
) -> None:
    q = write(TEXT)
    with rx.Database.open(accounts_database) as db:

        class Asking(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                db.run(q.one(n=1))

        handler = Asking()
        logging.getLogger(LOGGER).addHandler(handler)
        try:
            db.enable_query_logging()
            db.run(q.one(n=1))
            db.disable_query_logging()
        finally:
            logging.getLogger(LOGGER).removeHandler(handler)

    assert len(lines.texts) == 1


def test_what_a_program_puts_into_its_records_is_in_these_too(
    accounts_database: str, write: Any, lines: Lines
) -> None:
    q = write(TEXT)
    usual = logging.getLogRecordFactory()

    def with_request(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = usual(*args, **kwargs)
        record.request_id = "r-17"
        return record

    logging.setLogRecordFactory(with_request)
    try:
        with rx.Database.open(accounts_database) as db:
            db.enable_query_logging()
            db.run(q.one(n=1))
    finally:
        logging.setLogRecordFactory(usual)

    assert [vars(record)["request_id"] for record in lines.records] == ["r-17"]


def test_lines_of_a_database_that_nobody_closed_are_written(
    accounts_database: str, write: Any, lines: Lines, until: Any
) -> None:
    q = write(TEXT)
    db = rx.Database.open(accounts_database)
    db.enable_query_logging()
    for n in range(10):
        db.run(q.one(n=n))
    pool = db._pool

    del db

    until(lambda: len(lines.texts) == 10)
    run_sync(pool.close())


def test_a_plan_is_made_with_the_options_of_the_connection(
    accounts_database: str, write: Any, lines: Lines, side: psycopg.Connection[Any]
) -> None:
    side.execute("create schema if not exists elsewhere")
    side.execute("create table if not exists elsewhere.found_there (id int)")
    q = write("-- name: seen :many\nselect id from found_there")
    url = make_conninfo(accounts_database, options="-c search_path=elsewhere")
    with rx.Database.open(url) as db:
        db.enable_query_logging(slow_ms=0, explain=True)
        db.run(q.seen())

    assert "Seq Scan on found_there" in lines.texts[1]
