"""What errors mean that a real server, driver and pool raise."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import psycopg_pool
import pytest
from psycopg.pq import Format

from raxol_sql.failures import Category, Effect, Phase, Verdict, classify
from tests.failures.conftest import LOST, both


@pytest.fixture
def connect(database: str) -> Iterator[Callable[[], psycopg.Connection[Any]]]:
    """Gives connections to a database with a table that has one row."""
    opened = []

    def connection() -> psycopg.Connection[Any]:
        opened.append(psycopg.connect(database, autocommit=True))
        return opened[-1]

    connection().execute("create table t (n int primary key, s text)")
    opened[0].execute("insert into t values (1, 'a')")
    yield connection
    for one in opened:
        one.close()


@pytest.fixture
def connection(connect: Callable[[], psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    return connect()


def caught(work: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as info:  # noqa: PT011 (what it is, is what is tested)
        work()
    return info.value


PROVOKED = {
    "23505": ("insert into t values (1)", Category.CONSTRAINT, Verdict.NEVER),
    "22012": ("select 1 / 0", Category.DATA, Verdict.NEVER),
    "42601": ("selekt", Category.PROGRAMMING, Verdict.NEVER),
    "42P01": ("select * from nowhere", Category.PROGRAMMING, Verdict.NEVER),
    "0A000": ("select distinct n from t for update", Category.PROGRAMMING, Verdict.NEVER),
    "26000": ("execute nothing", Category.STALE, Verdict.STATEMENT),
    "57014": (
        "set statement_timeout = '20ms'; select pg_sleep(30)",
        Category.CANCELLED,
        Verdict.NEVER,
    ),
    "25006": (
        "set transaction read only; insert into t values (2)",
        Category.READ_ONLY,
        Verdict.TRANSACTION_NEW,
    ),
    "54000": ("select repeat('x', 1 << 30)", Category.LIMIT, Verdict.NEVER),
}


@pytest.mark.parametrize("code", PROVOKED)
def test_an_error_of_a_statement_is_what_the_table_says(
    connection: psycopg.Connection[Any], code: str
) -> None:
    statement, category, verdict = PROVOKED[code]

    failure = classify(caught(lambda: connection.execute(statement)), Phase.SENT)

    assert failure.sqlstate == code
    assert (failure.category, failure.verdict) == (category, verdict)
    assert failure.effect is Effect.ROLLED_BACK
    assert connection.execute("select count(*) from t").fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("code", "category", "verdict"),
    [
        ("40001", Category.CONFLICT, Verdict.TRANSACTION),
        ("40003", Category.AMBIGUOUS, Verdict.RESOLVE),
        ("08007", Category.AMBIGUOUS, Verdict.RESOLVE),
        ("01000", Category.NOTICE, Verdict.NEVER),
        ("P0001", Category.RAISED, Verdict.NEVER),
        ("QQ123", Category.UNKNOWN, Verdict.NEVER),
    ],
)
def test_a_code_that_a_function_raises_is_taken_at_its_word(
    connection: psycopg.Connection[Any], code: str, category: Category, verdict: Verdict
) -> None:
    statement = f"do $$ begin raise exception using errcode = '{code}'; end $$"

    failure = classify(caught(lambda: connection.execute(statement)), Phase.SENT)

    assert (failure.sqlstate, failure.category, failure.verdict) == (code, category, verdict)


def test_a_failed_transaction_says_so_again_and_again(connection: psycopg.Connection[Any]) -> None:
    connection.execute("begin")
    caught(lambda: connection.execute("select 1 / 0"))

    failure = classify(caught(lambda: connection.execute("select 1")), Phase.IN_TRANSACTION)

    assert failure.sqlstate == "25P02"
    assert (failure.effect, failure.verdict) == (Effect.ROLLED_BACK, Verdict.NEVER)


def test_a_plan_whose_columns_are_others_now_is_stale(connection: psycopg.Connection[Any]) -> None:
    connection.execute("prepare p as select * from t")
    connection.execute("alter table t add column m int")

    error = caught(lambda: connection.execute("execute p"))

    assert classify(error, Phase.SENT).category is Category.STALE
    assert classify(error, Phase.SENT).verdict is Verdict.STATEMENT
    assert classify(error, Phase.IN_TRANSACTION).verdict is Verdict.TRANSACTION


def test_a_value_of_a_wrong_length_is_not_sent_again(connection: psycopg.Connection[Any]) -> None:
    result = connection.pgconn.exec_params(
        b"select $1::int", [b"\x00"], [23], [Format.BINARY], Format.TEXT
    )

    failure = classify(psycopg.errors.error_from_result(result), Phase.SENT)

    assert (failure.sqlstate, failure.verdict) == ("08P01", Verdict.NEVER)
    assert failure.effect is Effect.ROLLED_BACK


@pytest.mark.parametrize("way", ["nowait", "lock_timeout"])
def test_a_lock_that_somebody_holds_is_waited_for_by_choice_only(
    connect: Callable[[], psycopg.Connection[Any]], way: str
) -> None:
    holder, other = connect(), connect()
    holder.execute("begin; lock table t in access exclusive mode")
    if way == "nowait":
        statement = "lock table t in share mode nowait"
    else:
        statement = "set local lock_timeout = '20ms'; select * from t"

    with other.transaction():
        error = caught(lambda: other.execute(statement))
        raise psycopg.Rollback

    failure = classify(error, Phase.IN_TRANSACTION)
    assert (failure.sqlstate, failure.category) == ("55P03", Category.LOCK)
    assert failure.verdict is Verdict.NEVER


def test_a_transaction_that_others_overtook_may_be_done_again(
    connect: Callable[[], psycopg.Connection[Any]],
) -> None:
    slow, fast = connect(), connect()
    slow.execute("begin isolation level repeatable read")
    slow.execute("select * from t")
    fast.execute("update t set s = 'b'")

    failure = classify(caught(lambda: slow.execute("update t set s = 'c'")), Phase.IN_TRANSACTION)

    assert failure.sqlstate == "40001"
    assert (failure.effect, failure.verdict) == (Effect.ROLLED_BACK, Verdict.TRANSACTION)


def test_a_conflict_that_the_commit_itself_comes_upon_is_a_conflict_all_the_same(
    connect: Callable[[], psycopg.Connection[Any]],
) -> None:
    pair = connect(), connect()
    for number, one in enumerate(pair, 2):
        one.execute("begin isolation level serializable")
        one.execute("select sum(n) from t")
        one.execute(f"insert into t values ({number})")
    pair[0].execute("commit")

    failure = classify(caught(lambda: pair[1].execute("commit")), Phase.COMMIT_SENT)

    assert failure.sqlstate == "40001"
    assert (failure.effect, failure.verdict) == (Effect.ROLLED_BACK, Verdict.TRANSACTION)
    assert pair[0].execute("select max(n) from t").fetchall() == [(2,)]


def test_one_of_two_that_wait_for_each_other_may_be_done_again(
    connect: Callable[[], psycopg.Connection[Any]],
) -> None:
    pair = connect(), connect()
    for number, one in enumerate(pair):
        one.execute("set deadlock_timeout = '20ms'; begin")
        one.execute("select pg_advisory_xact_lock(%s)", [number])

    def wait(number: int) -> BaseException | None:
        try:
            pair[number].execute("select pg_advisory_xact_lock(%s)", [1 - number])
        except psycopg.Error as error:
            pair[number].rollback()
            return error
        return None

    with ThreadPoolExecutor(2) as threads:
        (error,) = filter(None, threads.map(wait, range(2)))

    failure = classify(error, Phase.IN_TRANSACTION)
    assert (failure.sqlstate, failure.category) == ("40P01", Category.CONFLICT)
    assert failure.verdict is Verdict.TRANSACTION


@pytest.mark.parametrize("phase", [Phase.SENT, Phase.IN_TRANSACTION, Phase.COMMIT_SENT])
def test_a_connection_that_an_operator_ends_means_what_the_phase_says(
    connect: Callable[[], psycopg.Connection[Any]], phase: Phase
) -> None:
    side, victim = connect(), connect()
    if phase is not Phase.SENT:
        victim.execute("begin; insert into t values (2)")
    side.execute("select pg_terminate_backend(%s, 10000)", [victim.info.backend_pid])

    last = "commit" if phase is Phase.COMMIT_SENT else "insert into t values (3)"
    failure = classify(caught(lambda: victim.execute(last)), phase)

    assert (failure.sqlstate, failure.category) == ("57P01", Category.SHUTDOWN)
    assert (failure.effect, failure.verdict) == LOST[phase]
    assert side.execute("select count(*) from t").fetchall() == [(1,)]


@pytest.mark.parametrize("phase", [Phase.SENT, Phase.IN_TRANSACTION, Phase.COMMIT_SENT])
def test_a_connection_that_ends_without_a_word_means_what_the_phase_says(
    connection: psycopg.Connection[Any], phase: Phase
) -> None:
    with socket.socket(fileno=socket.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    error = caught(lambda: connection.execute("select 1"))

    failure = classify(error, phase, lost=connection.closed)

    assert (failure.sqlstate, failure.category) == (None, Category.CONNECTION)
    assert (failure.effect, failure.verdict) == LOST[phase]


def test_a_statement_with_too_many_values_is_refused_and_the_connection_goes_on(
    connection: psycopg.Connection[Any],
) -> None:
    error = caught(lambda: connection.pgconn.send_query_params(b"select 1", [b"1"] * 65_536))

    failure = classify(error, Phase.SENT, lost=connection.closed)

    assert isinstance(error, psycopg.OperationalError)
    assert (failure.effect, failure.verdict) == (Effect.NONE, Verdict.NEVER)


@pytest.mark.parametrize("value", ["a\0b", "\ud800"], ids=["nul", "surrogate"])
def test_a_text_that_cannot_be_sent_is_data(
    connection: psycopg.Connection[Any], value: str
) -> None:
    error = caught(lambda: connection.execute("select %s", [value]))

    failure = classify(error, Phase.ACQUIRE)

    assert (failure.category, failure.effect) == (Category.DATA, Effect.NONE)
    assert failure.verdict is Verdict.NEVER


def test_a_value_that_python_does_not_have_may_come_of_work_that_was_done(
    connection: psycopg.Connection[Any],
) -> None:
    error = caught(connection.execute("select 'infinity'::timestamp").fetchall)

    assert classify(error, Phase.SENT).effect is Effect.UNKNOWN
    assert classify(error, Phase.DONE).effect is Effect.COMMITTED
    assert classify(error, Phase.SENT).category is Category.DATA


@pytest.mark.parametrize("other", [{"user": "nobody_like_that"}, {"port": 1}, {"host": "/nowhere"}])
def test_a_driver_that_gets_no_connection_says_nothing_and_is_asked_again(
    database: str, other: dict[str, Any]
) -> None:
    error = caught(lambda: psycopg.connect(database, **other))

    for phase in (Phase.ACQUIRE, Phase.SENT):
        failure = classify(error, phase)
        assert (failure.sqlstate, failure.category) == (None, Category.CONNECTION)
        assert (failure.effect, failure.verdict) == (Effect.NONE, Verdict.ACQUIRE)
    # Another connection, which a transaction would have needed for its work.
    assert both(error)[Phase.IN_TRANSACTION] == LOST[Phase.IN_TRANSACTION]


def test_a_pool_that_is_used_up_is_not_the_database(database: str) -> None:
    with psycopg_pool.ConnectionPool(database, min_size=1, max_size=1) as pool, pool.connection():
        error = caught(lambda: pool.getconn(timeout=0.01))
    closed = caught(pool.getconn)

    for one in (error, closed):
        failure = classify(one, Phase.ACQUIRE)
        assert (failure.category, failure.verdict) == (Category.POOL, Verdict.NEVER)


def test_no_hint_has_a_value_of_the_callers(connection: psycopg.Connection[Any]) -> None:
    secret = uuid.uuid4().hex
    error = caught(lambda: connection.execute("select %s::int", [secret]))

    assert secret in str(error)
    assert secret not in repr(classify(error, Phase.SENT))
