"""Migrating, loading and asking, with each answer held against that of the CSV files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import zip_longest
from pathlib import Path
from typing import Any

import attrs

import raxol_sql as rx
from benchmarks.flights import answers
from benchmarks.flights.data import ROWS, open_bytes
from benchmarks.flights.records import RECORDS
from raxol_sql.migrations import MigrationRun, Migrations

FOLDER = Path(__file__).parent
TABLES = "0003"
"""The last migration before the load."""


@attrs.frozen
class Loaded:
    """A table that was copied into the server, and how long that took, in seconds."""

    table: str
    rows: int
    seconds: float


@attrs.frozen
class Question:
    """A query with its arguments, and the function from the files to what it ought to give."""

    bound: rx.BoundQuery[Any]
    answer: Callable[[answers.Tables], object]

    @property
    def name(self) -> str:
        """The query, and the names of the arguments of its statement."""
        return repr(self.bound).removeprefix("<Bound ").removesuffix(">")


@attrs.frozen
class Asked:
    """What came of a question: rows, seconds until all were records, and what was wrong."""

    question: Question
    rows: int
    seconds: float
    difference: str | None


def load_queries() -> rx.Queries:
    """The queries of benchmarks/flights/sql."""
    return rx.load(FOLDER / "sql", records=RECORDS)


def migrations(conninfo: str) -> Migrations:
    """The migrations of benchmarks/flights on the database ``conninfo``."""
    return Migrations(conninfo, FOLDER / "migrations")


def fill(conninfo: str, data: Path) -> Iterator[Loaded | MigrationRun]:
    """
    Brings the empty database ``conninfo`` to where the questions can be asked, step by step.

    The tables first, then the files of the folder ``data``, and then what is cheaper to have
    on a full table.
    """
    migrator = migrations(conninfo)
    yield from migrator.apply(to=TABLES)
    queries = load_queries()
    with rx.Database.open(conninfo) as db:
        for table in ROWS:
            started = time.perf_counter()
            with open_bytes(data, table) as file:
                rows = db.copy(queries[f"{table}.load"], file)
            yield Loaded(table, rows, time.perf_counter() - started)
        yield from migrator.apply()
        db.run(queries.flights.analyze())


def questions(queries: rx.Queries) -> list[Question]:
    """The eight queries; the dynamic one is asked in several of its variants."""
    flights = queries.flights
    carriers = ["AA", "DL", "UA"]
    fractions = [0.1, 0.5, 0.9, 0.99]
    first, last = date(2013, 7, 1), date(2013, 7, 7)
    return [
        Question(
            queries.airlines.punctuality(late=15),
            lambda tables: answers.punctuality(tables, late=15),
        ),
        Question(
            flights.worst_of_month(places=3),
            lambda tables: answers.worst_of_month(tables, places=3),
        ),
        Question(flights.daily_delay(), answers.daily_delay),
        Question(
            queries.routes.contested(carriers=carriers),
            lambda tables: answers.contested(tables, carriers),
        ),
        Question(
            queries.routes.delay_percentiles(fractions=fractions, at_least=100),
            lambda tables: answers.delay_percentiles(tables, fractions, at_least=100),
        ),
        Question(
            queries.airports.busiest_planes(places=10),
            lambda tables: answers.busiest_planes(tables, places=10),
        ),
        Question(
            queries.weather.mean_delay_in_rain(inches=0.1),
            lambda tables: answers.mean_delay_in_rain(tables, inches=0.1),
        ),
        Question(
            flights.search(limit=50),
            lambda tables: answers.search(tables, lambda row: True, by_day, 50),
        ),
        Question(
            flights.search(carriers=carriers, min_delay=240, sort="latest", limit=200),
            lambda tables: answers.search(
                tables,
                lambda row: row.carrier in carriers and (row.dep_delay or 0) >= 240,
                lambda row: (-(row.dep_delay or 0), *by_day(row)),
                200,
            ),
        ),
        Question(
            flights.search(origin="JFK", dest="SJU", sort="farthest", limit=10_000),
            lambda tables: answers.search(
                tables,
                lambda row: (row.origin, row.dest) == ("JFK", "SJU"),
                lambda row: (-row.distance, *by_day(row)),
                10_000,
            ),
        ),
        Question(
            flights.search(first=first, last=last, only_cancelled=True, limit=1000),
            lambda tables: answers.search(
                tables,
                lambda row: first <= row.flown_on <= last and row.dep_delay is None,
                by_day,
                1000,
            ),
        ),
    ]


def by_day(row: answers.Flight) -> tuple[object, ...]:
    """The order of flights.search without a choice; no two flights are equal in it."""
    return row.flown_on, row.carrier, row.flight, row.origin


def ask(db: rx.Database, question: Question, tables: answers.Tables) -> Asked:
    """Runs the query once and compares."""
    started = time.perf_counter()
    result = db.run(question.bound)
    seconds = time.perf_counter() - started
    rows = len(result) if isinstance(result, list) else 1
    return Asked(question, rows, seconds, difference(result, question.answer(tables)))


def difference(result: object, answer: object) -> str | None:
    """The first thing in which a result is not the ``answer`` in plain tuples; None if nothing."""
    if not isinstance(result, list) or not isinstance(answer, list):
        return None if plain(result) == answer else f"{plain(result)!r} instead of {answer!r}"
    for index, (row, expected) in enumerate(zip_longest(result, answer)):
        if plain(row) != expected:
            return f"row {index} of {len(answer)}: {plain(row)!r} instead of {expected!r}"
    return None


def plain(value: Any) -> object:
    return attrs.astuple(value) if attrs.has(type(value)) else value
