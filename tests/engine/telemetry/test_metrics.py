"""What a database counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raxol_sql as rx
from tests.engine.conftest import Play

TEXT = """
    -- name: divide :one -> scalar
    select 12 / :n::int;

    -- name: pid :one -> scalar
    select pg_backend_pid();
"""


def test_seven_runs_of_which_two_fail_are_counted_so(play: Play, write: Any) -> None:
    q = write(TEXT)

    async def story(db: Any) -> rx.telemetry.Metrics:
        for n in (1, 0, 2, 3, 0, 4, 6):
            try:
                await db.run(q.divide(n=n))
            except psycopg.errors.DivisionByZero:
                continue
        return db.metrics()  # type: ignore[no-any-return]

    found = play(story).queries["q.divide"]

    assert (found.calls, found.failed, dict(found.errors), found.rows) == (7, 2, {"data": 2}, 5)
    assert found.latency.count == 7
    assert 0 < found.latency.quantile(0.5) <= found.latency.quantile(0.99) <= found.latency.max
    assert found.latency.sum == pytest.approx(found.queue_ms + found.query_ms + found.decode_ms)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["run", "many", "reset"]), st.integers(0, 3))))
def test_any_calls_are_counted_as_they_were_made(
    db: rx.Database, write: Any, steps: list[tuple[str, int]]
) -> None:
    q = write(TEXT)
    db.metrics(reset=True)
    calls = errors = rows = 0
    for how, n in steps:
        if how == "reset":
            db.metrics(reset=True)
            calls = errors = rows = 0
            continue
        try:
            if how == "run":
                db.run(q.divide(n=n))
            else:
                db.run_many(q.divide, [{"n": n}] * 3)
            rows += 1 if how == "run" else 3
        except psycopg.errors.DivisionByZero:
            errors += 1
        calls += 1

    found = db.metrics().queries.get("q.divide")

    told = (0, 0, 0) if found is None else (found.calls, found.failed, found.rows)
    assert told == (calls, errors, rows)


def test_what_many_threads_do_is_all_counted(db: rx.Database, write: Any) -> None:
    q = write(TEXT)

    def work() -> None:
        for _ in range(200):
            db.run(q.pid())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert db.metrics().queries["q.pid"].calls == 1200
    assert db.metrics().pool.calls == 1200


def test_metrics_are_json(db: rx.Database, write: Any) -> None:
    db.run(write(TEXT).pid())

    told = json.loads(json.dumps(db.metrics().as_dict()))

    assert told["queries"]["q.pid"]["calls"] == 1
    assert told["pool"]["max"] == 10


def test_with_metrics_off_nothing_is_counted_by_name(accounts_database: str, write: Any) -> None:
    with rx.Database.open(accounts_database, metrics=False) as db:
        db.run(write(TEXT).pid())

        assert db.metrics().queries == {}
        assert db.metrics().pool.calls == 1


def test_the_status_of_a_pool_adds_up_at_any_moment(accounts_database: str, write: Any) -> None:
    q, seen, is_over = write(TEXT), [], threading.Event()
    with rx.Database.open(accounts_database, pool_size=4, pool_min_size=1) as db:

        def work() -> None:
            while not is_over.is_set():
                with db.transaction() as tx:
                    tx.run(q.pid())

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(300):
            seen.append(db.pool_status())
            db.run(q.pid())
        is_over.set()
        for thread in threads:
            thread.join()
        last = db.pool_status()

    for one in seen:
        assert 0 <= one.available <= one.size <= one.max == 4
        assert one.in_use == one.size - one.available
        assert one.waiting >= 0
        assert not one.closed
    assert max(one.in_use for one in seen) > 1
    assert (last.in_use, last.waiting) == (0, 0)
    assert last.waits > 0
    assert last.opened >= 2
    closed = db.pool_status()
    assert closed.closed
    assert (closed.size, closed.available, closed.in_use) == (0, 0, 0)


FORKED = """
    import os, signal, sys
    import raxol_sql as rx

    q = rx.load(sys.argv[2]).q
    with rx.Database.open(sys.argv[1]) as db:
        db.run(q.pid())
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            db.run(q.pid())
            os._exit(db.metrics().queries["q.pid"].calls)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), db.metrics().queries["q.pid"].calls)
"""


def test_a_child_process_counts_for_itself(
    accounts_database: str, write: Any, tmp_path: Path, printed: Callable[..., list[str]]
) -> None:
    write(TEXT)

    assert printed(FORKED, accounts_database, tmp_path / "sql0") == ["1", "1"]
