"""What an error means: laws of `classify`, and errors that a real server and driver raise."""

from __future__ import annotations

import asyncio
import pickle
import random
import socket
import string
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import psycopg_pool
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.pq import DiagnosticField, Format

from raxol_sql import errors
from raxol_sql.failures import (
    Category,
    Effect,
    Failure,
    Phase,
    Verdict,
    classify,
    mark_lost,
    mark_refused,
)
from raxol_sql.failures.sqlstates import SQLSTATES

ALWAYS = [*Phase]
# What is known if nothing is proved.
EFFECTS = {
    Phase.ACQUIRE: Effect.NONE,
    Phase.SENT: Effect.UNKNOWN,
    Phase.IN_TRANSACTION: Effect.ROLLED_BACK,
    Phase.COMMIT_SENT: Effect.UNKNOWN,
    Phase.DONE: Effect.COMMITTED,
}
# What is known if the server goes on after it has said ERROR.
PROVED = EFFECTS | {Phase.SENT: Effect.ROLLED_BACK, Phase.COMMIT_SENT: Effect.ROLLED_BACK}
# What is left of a verdict for a connection that is gone.
LOST = {
    Phase.ACQUIRE: (Effect.NONE, Verdict.ACQUIRE),
    Phase.SENT: (Effect.UNKNOWN, Verdict.RESOLVE),
    Phase.IN_TRANSACTION: (Effect.ROLLED_BACK, Verdict.TRANSACTION_NEW),
    Phase.COMMIT_SENT: (Effect.UNKNOWN, Verdict.RESOLVE),
    Phase.DONE: (Effect.COMMITTED, Verdict.NEVER),
}
NEVER = dict.fromkeys(Phase, Verdict.NEVER)

codes = st.text(string.digits + string.ascii_uppercase, min_size=5, max_size=5)
phases = st.sampled_from(ALWAYS)
severities = st.sampled_from(["ERROR", "FATAL", "PANIC", None])


def said(code: str, severity: str | None = "ERROR", **fields: str) -> psycopg.Error:
    """The driver's error for what a server says."""
    try:
        kind = psycopg.errors.lookup(code)
    except KeyError:
        kind = psycopg.DatabaseError
    info = {DiagnosticField[name]: text.encode() for name, text in fields.items()}
    info[DiagnosticField.SQLSTATE] = code.encode()
    if severity:
        info[DiagnosticField.SEVERITY_NONLOCALIZED] = severity.encode()
    return kind("what it says", info=info)


def verdicts(error: BaseException, **options: Any) -> dict[Phase, Verdict]:
    return {phase: classify(error, phase, **options).verdict for phase in Phase}


def effects(error: BaseException, **options: Any) -> dict[Phase, Effect]:
    return {phase: classify(error, phase, **options).effect for phase in Phase}


def both(error: BaseException, **options: Any) -> dict[Phase, tuple[Effect, Verdict]]:
    told = {phase: classify(error, phase, **options) for phase in Phase}
    return {phase: (failure.effect, failure.verdict) for phase, failure in told.items()}


def check_soundness(failure: Failure, phase: Phase) -> None:
    """No failure says that something may be repeated which may have happened."""
    safe = (Effect.NONE, Effect.ROLLED_BACK)
    again = {
        Verdict.NEVER: (*Effect,),
        Verdict.ACQUIRE: (Effect.NONE,),
        Verdict.STATEMENT: safe,
        Verdict.TRANSACTION: safe,
        Verdict.TRANSACTION_NEW: safe,
        Verdict.RESOLVE: (Effect.UNKNOWN,),
    }
    assert failure.effect in again[failure.verdict]
    assert failure.effect is not Effect.UNKNOWN or phase in (Phase.SENT, Phase.COMMIT_SENT)
    assert failure.verdict is not Verdict.STATEMENT or phase is Phase.SENT
    assert (phase is Phase.DONE) == (failure.effect is Effect.COMMITTED)
    assert failure.hint
    assert "\n" not in failure.hint


# Laws


def test_ten_thousand_codes_have_verdicts_and_those_that_nobody_knows_are_never_retried() -> None:
    alphabet = string.digits + string.ascii_uppercase
    for number in range(10_000):
        code = "".join(random.choices(alphabet, k=5))
        severity = random.choice(["ERROR", "FATAL", None])
        phase = ALWAYS[number % len(ALWAYS)]

        failure = classify(said(code, severity), phase)

        check_soundness(failure, phase)
        assert failure.sqlstate == code
        if code not in SQLSTATES:
            in_doubt = phase is Phase.COMMIT_SENT and severity != "ERROR"
            assert failure.category is Category.UNKNOWN
            assert failure.verdict is (Verdict.RESOLVE if in_doubt else Verdict.NEVER)


@given(st.sampled_from([*SQLSTATES]), severities, phases, st.booleans())
def test_whatever_may_be_repeated_has_not_happened(
    code: str, severity: str | None, phase: Phase, lost: bool
) -> None:
    check_soundness(classify(said(code, severity), phase, lost=lost), phase)


@given(
    st.sampled_from([*SQLSTATES]) | codes,
    severities,
    phases,
    st.dictionaries(
        st.sampled_from(["SEVERITY", "MESSAGE_PRIMARY", "MESSAGE_DETAIL", "CONTEXT"]),
        st.sampled_from(["FEHLER", "FATAL", "ERREUR", "server closed the connection"]) | st.text(),
    ),
)
def test_no_text_of_the_server_changes_anything(
    code: str, severity: str | None, phase: Phase, texts: dict[str, str]
) -> None:
    texts = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}

    assert classify(said(code, severity, **texts), phase) == classify(said(code, severity), phase)


@given(st.sampled_from([*SQLSTATES]), severities, phases)
def test_an_error_that_was_pickled_means_the_same(
    code: str, severity: str | None, phase: Phase
) -> None:
    error = said(code, severity)

    assert classify(pickle.loads(pickle.dumps(error)), phase) == classify(error, phase)


class Rude(psycopg.OperationalError):
    """An error that raises whenever it is looked at."""

    def __getattribute__(self, name: str) -> Any:
        raise ValueError(name)


class RudeCode(psycopg.Error):
    @property
    def sqlstate(self) -> str:  # type: ignore[override]
        raise RuntimeError


def numbered() -> psycopg.Error:
    error = psycopg.Error("x")
    error.sqlstate = 40001  # type: ignore[assignment]
    return error


ODD = {
    "rude": lambda: Rude.__new__(Rude),
    "rude code": lambda: RudeCode.__new__(RudeCode),
    "not initialised": lambda: psycopg.OperationalError.__new__(psycopg.OperationalError),
    "a number for a code": numbered,
    "an empty code": lambda: said(""),
    "an unknown effect": lambda: errors.DeadlineExceeded("whatever"),
    "no effect": lambda: errors.DeadlineExceeded.__new__(errors.DeadlineExceeded),
    "a group": lambda: BaseExceptionGroup("x", [said("40001"), KeyboardInterrupt()]),
    "none of the known": lambda: type("Own", (BaseException,), {})(),
    "generator exit": GeneratorExit,
    "stop iteration": StopIteration,
}


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("make", ODD.values(), ids=ODD.keys())
def test_odd_errors_are_classified_without_another_error(
    make: Callable[[], BaseException], phase: Phase
) -> None:
    failure = classify(make(), phase)

    check_soundness(failure, phase)
    assert failure.sqlstate is None
    assert failure.verdict not in (Verdict.STATEMENT, Verdict.TRANSACTION)


# Phases


def test_an_error_of_the_server_proves_that_nothing_stays() -> None:
    error = said("40001")

    assert effects(error) == PROVED
    assert verdicts(error) == {
        Phase.ACQUIRE: Verdict.ACQUIRE,
        Phase.SENT: Verdict.TRANSACTION,
        Phase.IN_TRANSACTION: Verdict.TRANSACTION,
        Phase.COMMIT_SENT: Verdict.TRANSACTION,
        Phase.DONE: Verdict.NEVER,
    }


def test_a_statement_that_can_be_repeated_takes_its_transaction_along() -> None:
    assert verdicts(said("26000")) == {
        Phase.ACQUIRE: Verdict.ACQUIRE,
        Phase.SENT: Verdict.STATEMENT,
        Phase.IN_TRANSACTION: Verdict.TRANSACTION,
        Phase.COMMIT_SENT: Verdict.TRANSACTION,
        Phase.DONE: Verdict.NEVER,
    }


@pytest.mark.parametrize("code", ["08000", "08006", "08P01", "53300", "57P01", "57P02", "57P05"])
@pytest.mark.parametrize("severity", ["FATAL", "PANIC", None])
def test_the_end_of_a_connection_means_what_the_phase_says(code: str, severity: str | None) -> None:
    assert both(said(code, severity)) == LOST


@pytest.mark.parametrize("code", ["40001", "40P01"])
@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
def test_a_conflict_with_which_the_server_ends_the_session_needs_another_connection(
    code: str, severity: str
) -> None:
    assert both(said(code, severity)) == LOST


def test_an_error_that_the_connection_did_not_outlive_proves_nothing_about_a_commit() -> None:
    assert both(mark_lost(said("40001"))) == LOST
    assert both(said("40001"), lost=True) == LOST
    assert effects(said("23505"), lost=True) == EFFECTS


def test_a_severity_that_is_not_told_proves_nothing_about_a_commit() -> None:
    assert effects(said("23505", None)) == EFFECTS
    assert effects(said("23505", None, SEVERITY="ERROR")) == EFFECTS


@pytest.mark.parametrize("code", ["40003", "08007"])
@pytest.mark.parametrize("severity", ["ERROR", "FATAL", None])
def test_what_says_itself_that_nobody_knows_is_to_be_resolved_if_it_was_a_commit(
    code: str, severity: str | None
) -> None:
    error = said(code, severity)

    assert both(error) == LOST
    assert {classify(error, phase).category for phase in Phase} == {Category.AMBIGUOUS}


@pytest.mark.parametrize("code", ["23505", "57014", "25P03", "42601", "55P03", "XX001", "ZZ999"])
def test_what_is_never_retried_is_so_in_every_phase(code: str) -> None:
    assert verdicts(said(code)) == NEVER
    assert verdicts(said(code, "FATAL")) == NEVER | {Phase.COMMIT_SENT: Verdict.RESOLVE}
    assert effects(said(code, "FATAL")) == EFFECTS


def test_a_stale_plan_is_told_by_the_function_that_says_so() -> None:
    stale = said("0A000", SOURCE_FUNCTION="RevalidateCachedQuery")

    assert verdicts(stale) == verdicts(said("26000"))
    assert verdicts(said("0A000", SOURCE_FUNCTION="transformSelectStmt")) == NEVER
    assert classify(said("22012", SOURCE_FUNCTION="RevalidateCachedQuery"), Phase.SENT) == classify(
        said("22012"), Phase.SENT
    )


def test_a_message_that_the_server_does_not_understand_is_the_fault_of_who_sent_it() -> None:
    assert verdicts(said("08P01")) == NEVER
    assert both(said("08P01"), lost=True) == LOST


# Errors without a SQLSTATE


@pytest.mark.parametrize(
    "kind", [psycopg.OperationalError, psycopg.DatabaseError, psycopg.Error], ids=str
)
def test_a_driver_that_does_not_say_what_happened_is_not_trusted(kind: type[psycopg.Error]) -> None:
    error = kind("the connection is closed")

    assert both(error) == {
        Phase.ACQUIRE: (Effect.NONE, Verdict.ACQUIRE),
        Phase.SENT: (Effect.UNKNOWN, Verdict.NEVER),
        Phase.IN_TRANSACTION: (Effect.ROLLED_BACK, Verdict.NEVER),
        Phase.COMMIT_SENT: (Effect.UNKNOWN, Verdict.RESOLVE),
        Phase.DONE: (Effect.COMMITTED, Verdict.NEVER),
    }
    assert both(error, lost=True) == LOST
    assert both(mark_lost(error)) == LOST
    assert classify(error, Phase.SENT).category is Category.CONNECTION


def test_a_driver_whose_connection_goes_on_has_refused_and_sent_nothing() -> None:
    error = psycopg.OperationalError("number of parameters must be between 0 and 65535")

    failure = classify(error, Phase.SENT, lost=False)

    assert failure.effect is Effect.NONE
    assert verdicts(error, lost=False) == NEVER | {
        Phase.ACQUIRE: Verdict.ACQUIRE,
        Phase.COMMIT_SENT: Verdict.RESOLVE,
    }


@pytest.mark.parametrize(
    "error",
    [
        psycopg_pool.PoolTimeout("x"),
        psycopg_pool.TooManyRequests("x"),
        psycopg_pool.PoolClosed("x"),
        errors.PoolExhausted("x"),
    ],
    ids=repr,
)
def test_a_pool_that_gives_nothing_was_waited_for_already(error: Exception) -> None:
    failure = classify(error, Phase.ACQUIRE)

    assert (failure.category, failure.effect) == (Category.POOL, Effect.NONE)
    assert failure.verdict is Verdict.NEVER
    assert classify(error, Phase.SENT) == failure
    assert classify(error, Phase.IN_TRANSACTION).effect is Effect.ROLLED_BACK


def test_a_connection_that_took_too_long_may_be_asked_for_again() -> None:
    error = psycopg.errors.ConnectionTimeout("x")

    for phase in (Phase.ACQUIRE, Phase.SENT):
        failure = classify(error, phase)
        assert (failure.effect, failure.verdict) == (Effect.NONE, Verdict.ACQUIRE)


@pytest.mark.parametrize(
    ("code", "category", "verdict"),
    [
        ("28P01", Category.AUTHENTICATION, Verdict.NEVER),
        ("28000", Category.AUTHENTICATION, Verdict.NEVER),
        ("3D000", Category.CONFIGURATION, Verdict.NEVER),
        ("53300", Category.RESOURCE, Verdict.ACQUIRE),
        ("57P01", Category.SHUTDOWN, Verdict.ACQUIRE),
        ("57P03", Category.STARTUP, Verdict.ACQUIRE),
        ("ZZ999", Category.UNKNOWN, Verdict.NEVER),
        (None, Category.CONNECTION, Verdict.ACQUIRE),
    ],
)
def test_a_code_that_was_found_out_decides_about_another_attempt_to_connect(
    code: str | None, category: Category, verdict: Verdict
) -> None:
    error = psycopg.OperationalError("connection failed")
    error.sqlstate = code

    failure = classify(error, Phase.ACQUIRE)

    assert (failure.category, failure.effect) == (category, Effect.NONE)
    assert (failure.verdict, failure.sqlstate) == (verdict, code)


def test_a_connection_that_was_refused_for_good_is_not_asked_for_again() -> None:
    failure = classify(mark_refused(psycopg.OperationalError("no TLS")), Phase.ACQUIRE)

    assert failure.category is Category.AUTHENTICATION
    assert failure.verdict is Verdict.NEVER


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (KeyboardInterrupt(), Category.CANCELLED),
        (asyncio.CancelledError(), Category.CANCELLED),
        (TimeoutError(), Category.TIMEOUT),
        (MemoryError(), Category.RESOURCE),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "x"), Category.DATA),
        (ZeroDivisionError(), Category.UNKNOWN),
        (ConnectionResetError(), Category.UNKNOWN),
        (errors.ParameterError("q", ["x"]), Category.PROGRAMMING),
        (errors.NoRowsError("q", "q.sql:1", "x"), Category.PROGRAMMING),
        (errors.OutcomeUnknownError("x"), Category.AMBIGUOUS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_error_of_the_database_is_never_retried_and_proves_nothing(
    error: BaseException, category: Category
) -> None:
    assert verdicts(error) == NEVER
    assert effects(error) == EFFECTS
    assert classify(error, Phase.SENT).category is category


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (psycopg.DataError("x"), Category.DATA),
        (psycopg.ProgrammingError("x"), Category.PROGRAMMING),
        (psycopg.InterfaceError("x"), Category.PROGRAMMING),
        (psycopg.NotSupportedError("x"), Category.PROGRAMMING),
        (psycopg.InternalError("x"), Category.INTERNAL),
        (psycopg.errors.PipelineAborted("x"), Category.PROGRAMMING),
        (psycopg.errors.CancellationTimeout("x"), Category.CANCELLED),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_driver_cannot_do_is_never_retried(error: Exception, category: Category) -> None:
    assert verdicts(error) == NEVER | {Phase.COMMIT_SENT: Verdict.RESOLVE}
    assert effects(error) == EFFECTS
    assert classify(error, Phase.IN_TRANSACTION).category is category


@pytest.mark.parametrize("effect", Effect)
def test_a_deadline_says_itself_what_became_of_what_was_sent(effect: Effect) -> None:
    error = errors.DeadlineExceeded(effect.value)

    assert effects(error) == EFFECTS | {Phase.SENT: effect, Phase.COMMIT_SENT: effect}
    assert verdicts(error) == NEVER
    assert classify(error, Phase.SENT).category is Category.TIMEOUT


def test_a_result_that_is_lost_belongs_to_work_that_has_happened() -> None:
    failure = classify(errors.CommittedResultLost("x"), Phase.COMMIT_SENT)

    assert (failure.effect, failure.verdict) == (Effect.COMMITTED, Verdict.NEVER)


# A real server


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
