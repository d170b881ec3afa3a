"""Work that leaves marks, and a line to the server that can be cut at any message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from raxol_sql.testing import FaultProxy

SQL = """\
    -- name: add :exec
    insert into marks (n) values (:n);
    -- name: add_counted :affected
    insert into marks (n) values (:n);
    -- name: add_one :one -> scalar
    insert into marks (n) values (:n) returning n;
    -- name: add_many :exec
    insert into marks (n) select generate_series(1, :most);
    -- name: add_in_time :exec
    -- @timeout 20s
    insert into marks (n) values (:n);
    -- name: add_surely :exec
    -- @idempotent
    insert into marks (n) select :n where not exists (select from marks where n = :n);
    -- name: total :one -> scalar
    select coalesce(sum(n), 0)::int from marks;
    -- name: total_surely :one -> scalar
    -- @idempotent
    select coalesce(sum(n), 0)::int from marks;
    -- name: increase :exec
    update marks set n = n + 1;
    -- name: touch :exec
    update marks set n = n where n = :n;
    -- name: count :one -> scalar
    select count(*)::int from marks;
    -- name: late :one -> scalar
    select in_time();
    -- name: lock :exec
    lock table marks in exclusive mode;
    -- name: isolation :one -> scalar
    show transaction_isolation;
    -- name: fail :exec
    select 1 / 0;
    -- name: raise_state :exec
    select raise_state(:state);
    -- name: pid :one -> scalar
    select pg_backend_pid();
    -- name: sleep :exec
    select pg_sleep(60);
    -- name: attempt :one -> scalar
    select nextval('attempts')::int;
    -- name: clear :affected
    delete from marks;
    -- name: load :copy
    copy marks (n) from stdin;
"""
TABLES = """\
    create table marks (n int primary key deferrable);
    create sequence attempts;
    create function raise_state(state text) returns void language plpgsql as $$
    begin
        raise exception using errcode = state, message = 'as it was asked for';
    end $$;
    truncate raxol_outcomes;
"""


@pytest.fixture(autouse=True)
def _tables(side: Any) -> Iterator[None]:
    side.execute(TABLES)
    yield
    side.execute("drop table marks; drop sequence attempts; drop function raise_state")


@pytest.fixture
def q(write: Any) -> Any:
    """Queries that leave marks."""
    return write(SQL)


@pytest.fixture
def proxy(accounts_database: str) -> Iterator[FaultProxy]:
    """A line to the database."""
    with FaultProxy(accounts_database) as proxy:
        yield proxy


@pytest.fixture
def marks(side: Any) -> Callable[[], list[int]]:
    """What was marked, as somebody else sees it."""
    return lambda: [n for (n,) in side.execute("select n from marks order by n")]


@pytest.fixture
def attempts(side: Any) -> Callable[[], int]:
    """How often `attempt` was run: a sequence is not rolled back."""

    def count() -> int:
        (value, is_called), *_ = side.execute("select last_value, is_called from attempts")
        return int(value) if is_called else 0

    return count


@pytest.fixture
def sessions(side: Any) -> Callable[[], int]:
    """How many sessions of ours there are that are not idle."""
    text = """
        select count(*) from pg_stat_activity
        where application_name = 'raxol_sql' and datname = current_database() and state <> 'idle'
    """
    return lambda: int(side.execute(text).fetchone()[0])
