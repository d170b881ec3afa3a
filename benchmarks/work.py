"""What is done, by all contenders in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from benchmarks.stage import Sizes
from raxol_sql.demo.accounts import User

QUERIES = (10, 100, 1_000, 10_000)
"""How many a registry has."""
COLUMNS = (1, 5, 10, 20, 50)
"""How many a row has."""

_AGES = "select id, age from members where id <= 5 order by id"
_INSERTED = """
    select count(*), sum(hashtext(row(email, name, age)::text)) from newcomers
"""
_COPIED = """
    select count(*), sum(hashtext(row(email, name, age, active, inserted_at, updated_at)::text))
    from newcomers
"""


def _as_it_is(result: Any) -> Any:
    return result


def _in_a_list(result: Any) -> Any:
    return list(result)


def _without_moments(users: list[User]) -> Any:
    """Users but for the time of the change, which no two contenders have in common."""
    return [(user.id, user.email, user.name, user.age, user.inserted_at) for user in users]


def _nothing(result: Any) -> Any:
    """What a library says of a change matters less than the change, which is looked at."""


@attrs.frozen(kw_only=True)
class Work:
    """
    A task for the contenders that are marked with its ``key``.

    A burst is ``calls`` calls, by each of the ``threads`` or ``tasks`` if there are any; before
    it ``before`` is run, and not timed. Contenders agree if what ``comparable`` makes of their
    results is the same, and what the query ``state`` finds afterwards. ``yardstick`` is the one
    whose time the table divides by. ``size`` is passed to each contender. ``share`` is the part
    that it takes of the time for a work, in so many ``sittings``: all contenders reconnect for
    each of them.
    """

    key: str
    title: str
    yardstick: str
    calls: int = 1
    size: int | None = None
    connections: int = 1
    threads: int = 0
    tasks: int = 0
    uvloop: bool = False
    before: str | None = None
    state: str | None = None
    comparable: Callable[[Any], Any] = _as_it_is
    warm_up: int = 10
    share: float = 1.0
    sittings: int = 6


def _updating(key: str, title: str, comparable: Callable[[Any], Any]) -> Work:
    return Work(
        key=key,
        title=title,
        yardstick="psycopg, pooled",
        calls=5,
        before="update members set age = 99 where id <= 5",
        state=_AGES,
        comparable=comparable,
    )


def _writing(key: str, title: str, state: str) -> Work:
    return Work(
        key=key,
        title=title,
        yardstick="psycopg",
        before="truncate newcomers restart identity",
        state=state,
        comparable=_nothing,
        warm_up=1,
        sittings=1,
    )


def works(sizes: Sizes) -> list[Work]:
    """All that is measured, in the order of the tables."""
    return [
        Work(
            key="one-row",
            title="one row into a record, by primary key",
            yardstick="psycopg, pooled",
            calls=50,
        ),
        Work(
            key="one-row-asyncio",
            title="one row into a record, by primary key, asyncio",
            yardstick="asyncpg, pooled",
            calls=50,
        ),
        Work(
            key="one-row-uvloop",
            title="one row into a record, by primary key, asyncio on uvloop",
            yardstick="asyncpg, pooled",
            calls=50,
            uvloop=True,
        ),
        Work(
            key="rows",
            title=f"{sizes.short:,} rows of 7 columns into records",
            yardstick="psycopg, pooled",
            size=sizes.short,
            comparable=_in_a_list,
            warm_up=6,
        ),
        Work(
            key="many-rows",
            title=f"{sizes.long:,} rows of 7 columns into records",
            yardstick="psycopg, pooled",
            size=sizes.long,
            comparable=_in_a_list,
            warm_up=1,
            sittings=1,
        ),
        _updating(
            "updates-with-rows",
            "a transaction of five updates, which give their rows back",
            _without_moments,
        ),
        _updating("updates", "a transaction of five updates", _nothing),
        _writing("inserts", f"{sizes.inserts:,} inserts at once", _INSERTED),
        _writing("copy-in", f"COPY in of {sizes.long:,} records", _COPIED),
        Work(
            key="copy-out",
            title=f"COPY out of {sizes.long:,} rows into a file",
            yardstick="psycopg",
            warm_up=1,
            sittings=1,
        ),
        Work(
            key="threads",
            title="one row, by eight threads on eight connections",
            yardstick="psycopg, pooled",
            calls=40,
            connections=8,
            threads=8,
        ),
        Work(
            key="tasks",
            title="one row, by 64 tasks on eight connections",
            yardstick="asyncpg, pooled",
            calls=5,
            connections=8,
            tasks=64,
        ),
        Work(
            key="registry",
            title="one row, by the number of queries in the registry",
            yardstick="10 queries",
            calls=50,
        ),
        *(
            Work(
                key=f"columns-{count}",
                title=f"a row of {count} column{'s' * (count > 1)} into a record",
                yardstick="psycopg, pooled",
                calls=50,
                share=0.25,
            )
            for count in COLUMNS
        ),
    ]
