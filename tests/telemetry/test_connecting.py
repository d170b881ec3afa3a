"""What is an outage, and what is one attempt that failed."""

from __future__ import annotations

import logging

import psycopg
import pytest

from raxol_sql.engine.pool.connect_log import ConnectLog

ERROR = psycopg.OperationalError("connection refused")


def _levels(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.levelname for record in caplog.records]


@pytest.fixture
def connecting(caplog: pytest.LogCaptureFixture) -> ConnectLog:
    caplog.set_level(logging.DEBUG, "raxol_sql.pool")
    return ConnectLog()


def test_one_attempt_that_fails_at_once_before_another_succeeds_is_no_outage(
    connecting: ConnectLog, caplog: pytest.LogCaptureFixture
) -> None:
    connecting.fail(ERROR, 1.0, 1.01, is_final=False)
    connecting.succeed(1.02, 1.03)

    assert _levels(caplog) == []
    assert (connecting.opened, connecting.failed) == (1, 1)


@pytest.mark.parametrize(("took", "is_final"), [(0.01, True), (5.0, False)])
def test_an_attempt_that_fails_for_good_or_after_a_while_is_an_outage(
    connecting: ConnectLog, caplog: pytest.LogCaptureFixture, took: float, is_final: bool
) -> None:
    connecting.fail(ERROR, 1.0, 1.0 + took, is_final=is_final)
    connecting.fail(ERROR, 7.0, 7.1, is_final=is_final)
    connecting.succeed(8.0, 8.1)
    connecting.succeed(9.0, 9.1)

    assert _levels(caplog) == ["WARNING", "INFO"]
    assert caplog.messages[1] == (
        "the server accepts connections again, after 7.1 s and 2 failed attempts; "
        "the last one: connection refused"
    )


def test_an_attempt_that_began_before_the_last_failure_does_not_end_an_outage(
    connecting: ConnectLog, caplog: pytest.LogCaptureFixture
) -> None:
    connecting.fail(ERROR, 1.0, 1.5, is_final=False)
    connecting.succeed(1.2, 1.6)
    connecting.fail(ERROR, 1.7, 1.8, is_final=False)
    connecting.succeed(1.9, 2.0)

    assert _levels(caplog) == ["WARNING", "INFO"]


def test_a_password_in_the_words_of_an_error_is_masked(
    connecting: ConnectLog, caplog: pytest.LogCaptureFixture
) -> None:
    connecting.fail(RuntimeError("host=h password=s3cr3t-42"), 1.0, 1.5, is_final=True)

    assert "s3cr3t" not in caplog.text
    assert "RuntimeError: host=h password=********" in caplog.text
