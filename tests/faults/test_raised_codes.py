"""What a function of the program raises is taken at its word, whatever SQLSTATE it takes for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from tests.faults.conftest import Play, Runs

FUNCTION = """\
    create function fail(code text, times int) returns text language plpgsql as $$
    begin
        insert into done values (code);
        if nextval('runs') <= times then
            raise exception using errcode = code, message = 'this is the message';
        end if;
        return 'done';
    end $$;
    create table done (code text);
    create function fail_late() returns trigger language plpgsql as $$
    begin
        if nextval('runs') <= new.times then
            raise exception using errcode = new.code, message = 'this is the message';
        end if;
        return null;
    end $$;
    create table late (code text, times int);
    create constraint trigger fail_late after insert on late deferrable initially deferred
        for each row execute function fail_late();
"""
SQL = """\
    -- name: fail :one -> scalar
    select fail(:code, :times);
    -- name: fail_again :one -> scalar
    -- @idempotent
    select fail(:code, :times);
    -- name: late :affected
    insert into late values (:code, :times);
"""
# How often a call is made in all that fails every time, with two repetitions allowed.
OFTEN = 3
REPEATED = ["40001", "40P01", "40000", "72000", "57P01", "08006", "53300", "26000"]
UNKNOWN = ["40003", "08007"]
NEVER = ["P0001", "40002", "23505", "25006", "0A000", "53100", "57014", "XX000", "XX001", "01000"]
NOT_SHIPPED = ["ZZZZZ", "40XYZ", "08ABC", "4000A", "AB123"]
QUICK: dict[str, Any] = {"pool_size": 1, "max_retries": OFTEN - 1, "retry_interval": 1}


@pytest.fixture
def q(write: Any, side: psycopg.Connection[Any], runs: Runs) -> Any:
    side.execute(FUNCTION)
    return write(SQL)


@pytest.fixture
def rows(side: psycopg.Connection[Any]) -> Any:
    """The codes of what has happened for good."""
    return lambda table="done": [code for (code,) in side.execute(f"select code from {table}")]


@pytest.mark.parametrize("verb", ["run", "idempotent", "run_transaction"])
def test_a_code_that_is_never_repeated_is_not_whoever_raises_it(
    play: Play, q: Any, runs: Runs, rows: Any, verb: str
) -> None:
    async def story(db: Any) -> None:
        for code in [*NEVER, *NOT_SHIPPED]:
            runs.forget()
            with pytest.raises(psycopg.Error, match="this is the message") as caught:
                await call(db, q, verb, code, OFTEN)
            assert caught.value.sqlstate == code
            assert not isinstance(caught.value, rx.RaxolSQLError)
            assert (code, runs.number, rows()) == (code, 1, [])
        assert await call(db, q, verb, "none", 0) == "done"

    play(story, **QUICK)


@pytest.mark.parametrize("code", REPEATED)
def test_a_code_that_is_repeated_is_so_as_often_as_any_and_happens_once(
    play: Play, q: Any, runs: Runs, rows: Any, code: str
) -> None:
    async def story(db: Any) -> None:
        for number, verb in enumerate(["run", "idempotent", "run_transaction"]):
            runs.forget()
            with pytest.raises(psycopg.Error, match="this is the message") as caught:
                await call(db, q, verb, code, 100)
            assert caught.value.sqlstate == code
            assert rows() == [code] * number
            # What seems lost to the server is sent at once a second time, if it is alone.
            doubled = 2 if code == "26000" and verb != "run_transaction" else 1
            assert (verb, runs.number) == (verb, OFTEN * doubled)
            assert any(f"after {OFTEN} attempts" in note for note in caught.value.__notes__)

            runs.forget()
            assert await call(db, q, verb, code, 1) == "done"
            assert (runs.number, rows()) == (2, [code] * (number + 1))

    play(story, **QUICK)


@pytest.mark.parametrize("code", UNKNOWN)
def test_a_code_that_says_that_nobody_knows_is_believed_of_a_statement_that_is_its_own_commit(
    play: Play, q: Any, runs: Runs, code: str
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(rx.OutcomeUnknownError) as caught:
            await call(db, q, "run", code, OFTEN)
        assert isinstance(caught.value.__cause__, psycopg.Error)
        assert caught.value.__cause__.sqlstate == code
        assert runs.number == 1

        runs.forget()
        assert await call(db, q, "idempotent", code, 1) == "done"
        assert runs.number == 2

    play(story, **QUICK)


@pytest.mark.parametrize("code", UNKNOWN)
def test_a_transaction_whose_commit_was_not_sent_is_rolled_back_whatever_the_code_says(
    play: Play, q: Any, runs: Runs, rows: Any, code: str
) -> None:
    async def story(db: Any) -> None:
        assert await call(db, q, "run_transaction", code, 1) == "done"
        assert (runs.number, rows()) == (2, [code])

    play(story, **QUICK)


@pytest.mark.parametrize("code", [*UNKNOWN, "40001"])
def test_a_commit_that_says_so_itself_is_settled_and_done_again(
    play: Play, q: Any, runs: Runs, rows: Any, code: str
) -> None:
    async def story(db: Any) -> None:
        async def work(tx: Any) -> Any:
            return await tx.run(q.late(code=code, times=1))

        assert await db.run_transaction(work) == 1
        assert (runs.number, rows("late")) == (2, [code])

    play(story, **QUICK)


@pytest.mark.parametrize("code", ["23505", "ZZZZZ", "P0001"])
def test_a_commit_that_fails_for_good_is_not_done_again(
    play: Play, q: Any, runs: Runs, rows: Any, code: str
) -> None:
    async def story(db: Any) -> None:
        async def work(tx: Any) -> Any:
            return await tx.run(q.late(code=code, times=1))

        with pytest.raises(psycopg.Error) as caught:
            await db.run_transaction(work)
        assert caught.value.sqlstate == code
        assert (runs.number, rows("late")) == (1, [])

    play(story, **QUICK)


async def call(db: Any, q: Any, verb: str, code: str, times: int) -> Any:
    async def work(tx: Any) -> Any:
        return await tx.run(q.fail(code=code, times=times))

    if verb == "run_transaction":
        return await db.run_transaction(work)
    query = q.fail_again if verb == "idempotent" else q.fail
    return await db.run(query(code=code, times=times))
