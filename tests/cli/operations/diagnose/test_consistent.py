"""All remedies of one run, pasted together: queries keep an index, and no finding is left."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace as Row
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from raxol_sql.ops.diagnosis.indexes import without_idle

TABLE = """
create table docs (id int, kind int, body int, at int, maybe int);
insert into docs select n, n % 7, n, n, nullif(n % 50, 0) from generate_series(1, 3000) as n;
"""
# Indexes, with how often a query uses one of those columns, and the indexes that are to stay.
CASES: dict[str, tuple[list[str], dict[str, int], int]] = {
    "the longer one is never used": (
        ["create index a on docs (kind)", "create index b on docs (kind, body)"],
        {"kind": 30},
        1,
    ),
    "a unique one makes a plain one surplus": (
        ["create index a on docs (id)", "create unique index b on docs (id)"],
        {"id": 30},
        1,
    ),
    "a longer unique one makes a plain one surplus": (
        ["create index a on docs (id)", "create unique index b on docs (id, kind)"],
        {"id": 30},
        1,
    ),
    "a unique one that includes a column makes a plain one surplus": (
        ["create index a on docs (id)", "create unique index b on docs (id) include (kind)"],
        {"id": 30},
        1,
    ),
    "a key makes a plain one surplus": (
        ["create index a on docs (id)", "alter table docs add primary key (id)"],
        {"id": 30},
        1,
    ),
    "a key that others refer to stays": (
        [
            "create unique index a on docs (id)",
            "alter table docs add constraint docs_key unique (id)",
            "create table parts (doc int references docs (id), primary key (doc))",
        ],
        {"id": 30},
        2,
    ),
    "three in a row of which the longest is never used": (
        [
            "create index a on docs (kind)",
            "create index b on docs (kind, body)",
            "create index c on docs (kind, body, at)",
        ],
        {"kind": 30},
        1,
    ),
    "three of the same": (
        [f"create index {name} on docs (kind)" for name in "abc"],
        {"kind": 60},
        1,
    ),
    "one is unused, and the same as another one": (
        ["create index a on docs (at)", "create index b on docs (at)"],
        {},
        0,
    ),
    "one is unused, and full of NULLs": (["create index a on docs (maybe)"], {}, 0),
}
NOT_DROPPED = "select indexrelid::regclass::text from pg_index where indrelid = 'docs'::regclass"


@pytest.fixture
def side(migrated: str) -> Any:
    with psycopg.connect(migrated, autocommit=True) as connection:
        yield connection


def use(side: psycopg.Connection[Any], uses: dict[str, int]) -> None:
    """Has queries use the indexes, and the server count it."""
    side.execute("set enable_seqscan = off")
    for column, times in uses.items():
        query = sql.SQL("select count(*) from docs where {} = 3").format(sql.Identifier(column))
        for _ in range(times):
            side.execute(query)
    side.execute("select pg_stat_force_next_flush()")
    side.execute("select 1")


def plans(side: psycopg.Connection[Any], uses: dict[str, int]) -> list[str]:
    found = []
    for column in uses:
        query = sql.SQL("explain select count(*) from docs where {} = 3")
        rows = side.execute(query.format(sql.Identifier(column))).fetchall()
        found.append("\n".join(line for (line,) in rows))
    return found


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("case", CASES)
def test_all_remedies_together_leave_every_query_an_index_and_no_finding(
    side: psycopg.Connection[Any], diagnosed: Callable[..., Any], case: str
) -> None:
    made, uses, stays = CASES[case]
    side.execute(TABLE)
    for statement in made:
        side.execute(statement.encode())
    side.execute("analyze docs")
    use(side, uses)
    words = ["--only", "schema"]
    for limit in ("statistics_days=0", "index_mb=0", "null_share=0.01"):
        words += ["--limit", limit]

    def of_docs() -> list[Any]:
        _, found = diagnosed(*words)
        about = ("duplicate index", "unused index", "index of NULLs")
        return [one for one in found if one["check"] in about and " on docs" in one["message"]]

    before = of_docs()
    assert before or stays == len(side.execute(NOT_DROPPED).fetchall())
    for one in before:
        side.execute(one["remedy"].encode())

    assert len(side.execute(NOT_DROPPED).fetchall()) == stays
    assert all("Index" in plan for plan in plans(side, uses))
    use(side, uses)
    assert of_docs() == []


NAMES = st.sampled_from("abcdef")
PAIRS = st.lists(st.tuples(NAMES, NAMES).filter(lambda pair: pair[0] < pair[1]), unique=True)


@given(PAIRS, st.sets(NAMES))
def test_no_index_goes_for_the_sake_of_one_that_goes_as_well(
    pairs: list[tuple[str, str]], idle: set[str]
) -> None:
    rows = [Row(name=name, other=other) for name, other in pairs]

    left = without_idle(rows, idle)

    dropped = idle | {row.name for row in left}
    assert all(row.other not in dropped for row in left)
    assert not idle & {row.name for row in left}


@given(PAIRS)
def test_each_index_that_another_one_that_stays_can_stand_for_goes(
    pairs: list[tuple[str, str]],
) -> None:
    # As of columns: what stands for an index stands for those that it stands for.
    closed = {*pairs}
    for _ in range(6):
        closed |= {(a, d) for (a, b), (c, d) in itertools.product(closed, closed) if b == c}

    left = without_idle([Row(name=name, other=other) for name, other in sorted(closed)], set())

    assert {row.name for row in left} == {name for name, _ in closed}
