"""How often and after which waits a call is done again."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest

import raxol_sql as rx
from tests.config.promises.conftest import Environment

CONFLICT = """
create sequence executions;
create function conflict() returns int language plpgsql as $$
begin
    perform nextval('executions');
    raise serialization_failure;
end
$$
"""


def test_the_longest_wait_begins_at_retry_interval_and_doubles(
    environ: Callable[..., None],
) -> None:
    environ({"RAXOL_DB_RETRY_INTERVAL": "250"})
    config = rx.Config.find()
    policy = rx.RetryPolicy.of(config.retry_interval, config.max_retries)
    lost = rx.failures.classify(psycopg.errors.lookup("08006")(), rx.failures.Phase.IN_TRANSACTION)

    assert [policy.longest_wait(lost, attempt) for attempt in (1, 2, 3, 4)] == [0.25, 0.5, 1, 2]


def test_without_jitter_the_waits_of_a_call_are_exactly_the_doubled_ones(
    parts: Environment, environ: Callable[..., None], database: str
) -> None:
    # After a conflict the interval counts for a hundredth, so 0.1, 0.2 and 0.4 s.
    given = {"RAXOL_DB_MAX_RETRIES": "3", "RAXOL_DB_RETRY_INTERVAL": "10000"}
    environ(parts, given, {"RAXOL_DB_RETRY_JITTER": "off"})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(CONFLICT)
    with rx.Database.open() as db:
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.SerializationFailure) as caught:
            db.run(rx.load("own.sql").own.conflict())
        taken = time.monotonic() - begun

    assert taken >= 0.7
    assert "0.7 s of it waiting" in " ".join(caught.value.__notes__)


def test_without_jitter_the_waits_for_a_server_are_1_2_4_8_and_16_s() -> None:
    policy = rx.RetryPolicy(jitter=False, longest_connection_wait=16)
    lost = rx.failures.classify(psycopg.errors.lookup("08006")(), rx.failures.Phase.IN_TRANSACTION)

    assert [policy.wait(lost, attempt, chance=0.5) for attempt in range(1, 6)] == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_what_fails_each_time_is_done_once_and_max_retries_times_again(
    parts: Environment, environ: Callable[..., None], database: str, retries: int
) -> None:
    environ(parts, {"RAXOL_DB_MAX_RETRIES": str(retries), "RAXOL_DB_RETRY_INTERVAL": "0"})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(CONFLICT)
        with rx.Database.open() as db, pytest.raises(psycopg.errors.SerializationFailure):
            db.run(rx.load("own.sql").own.conflict())
        executions = connection.execute("select last_value from executions").fetchone()

    assert executions == (retries + 1,)
