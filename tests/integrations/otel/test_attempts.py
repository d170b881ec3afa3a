"""What is done again: one span for an operation, and one for each in a transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from opentelemetry.trace import StatusCode
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from tests.integrations.otel.conftest import ANN, Watching

CLASHING = """
-- name: bump :affected
update users set age = age + 1;

-- name: oldest :one -> scalar
select max(age) from users;

-- name: waiting :one -> scalar
select count(*) from pg_locks where not granted;
"""


@pytest.fixture
def clashing(tmp_path: Path) -> Any:
    """Queries that two transactions cannot both run at the same time."""
    (tmp_path / "clashing.sql").write_text(CLASHING)
    return rx.load(tmp_path).clashing


def test_all_attempts_of_one_operation_are_one_span(
    accounts_database: str, clashing: Any, queries: rx.Queries, watching: Watching
) -> None:
    serializable = make_conninfo(
        accounts_database, options="-c default_transaction_isolation=serializable"
    )
    with rx.Database.open(serializable, retry_interval=10) as db:
        db.run(queries.users.create(**ANN))
        watching.over(db)
        with ThreadPoolExecutor(1) as thread, psycopg.connect(accounts_database) as other:
            other.execute("update users set age = age + 1")
            bumping = thread.submit(db.run, clashing.bump())
            # Only what waits for the row is refused when the other one commits.
            while other.execute(clashing.waiting().statement.text).fetchone() == (0,):
                assert not bumping.done()
            other.commit()
            assert bumping.result() == 1

    (span,) = watching.spans()
    assert (span.name, span.status.status_code) == ("clashing.bump", StatusCode.UNSET)
    assert (span.attributes or {})["raxol_sql.attempts"] == 2
    (point,) = watching.points("db.client.operation.duration")
    assert (point.count, "error.type" in point.attributes) == (1, False)


def test_a_transaction_that_is_retried_is_a_span_with_its_attempts_and_without_an_error(
    db: rx.Database, clashing: Any, queries: rx.Queries, watching: Watching
) -> None:
    db.run(queries.users.create(**ANN))
    tries = 0

    def meet(tx: rx.Transaction) -> None:
        nonlocal tries
        tries += 1
        tx.run(clashing.oldest())
        if tries == 1:
            db.run(clashing.bump())
        tx.run(clashing.bump())

    watching.over(db)
    db.run_transaction(meet, isolation="serializable")

    assert tries == 2
    spans = watching.spans()
    named = [(span.name, span.status.status_code) for span in spans]
    assert {status for _, status in named} == {StatusCode.UNSET}
    # That of the other transaction, and that of the attempt which committed.
    assert named.count(("clashing.bump", StatusCode.UNSET)) == 2
    assert [name for name, _ in named if "." not in name] == [
        *("begin", "rollback"),
        *("begin", "commit", "run_transaction"),
    ]
    (whole,) = [span for span in spans if span.name == "run_transaction"]
    assert (whole.attributes or {})["raxol_sql.attempts"] == 2


def test_an_operation_that_was_repeated_says_how_often_and_is_as_long_as_all_of_it(
    made_up: Any, watching: Watching
) -> None:
    watching.over(made_up)

    event = made_up.tell(attempts=3, paused_ms=250.0)

    (span,) = watching.spans()
    found = dict(span.attributes or {})
    assert (found["raxol_sql.attempts"], found["raxol_sql.paused_ms"]) == (3, 250.0)
    assert span.end_time == 1_800_000_000 * 10**9
    assert span.end_time - (span.start_time or 0) == event.total_ms * 1_000_000
