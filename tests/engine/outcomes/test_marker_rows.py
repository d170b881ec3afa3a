"""The marker row: there if and only if the transaction has happened, and settled if asked."""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Play

INSERT = "insert into raxol_outcomes (key) values (%s)"


@pytest.fixture
def original(accounts_database: str) -> Iterator[psycopg.Connection[Any]]:
    """A session whose client is thought to have lost it."""
    with psycopg.connect(accounts_database) as connection:
        yield connection
        connection.close()


@pytest.fixture
def rows(side: Any) -> Callable[[], list[bool]]:
    """The rows that there are: whether each is a tombstone."""
    return lambda: [row for (row,) in side.execute("select is_tombstone from raxol_outcomes")]


def token_of(key: uuid.UUID) -> rx.OutcomeToken:
    return rx.OutcomeToken(None, key=key)


def test_a_transaction_leaves_one_row_and_none_if_it_is_rolled_back(
    play: Play, q: Any, rows: Any
) -> None:
    async def failing(tx: Any) -> None:
        await tx.run(q.add(n=2))
        raise ZeroDivisionError

    async def story(db: Any) -> None:
        await db.run_transaction(lambda tx: tx.run(q.add(n=1)), commit_check="marker")
        with pytest.raises(ZeroDivisionError):
            await db.run_transaction(failing, commit_check="marker")

    play(story)
    assert rows() == [False]


def test_the_configuration_may_ask_for_it(play: Play, q: Any, rows: Any) -> None:
    async def story(db: Any) -> None:
        await db.run_transaction(lambda tx: tx.run(q.add(n=1)))
        await db.run(rx.Multi().add("one", q.add(n=2)))
        await db.run_many(q.add, [{"n": 3}])
        await db.run(rx.Multi(commit_check="none").add("one", q.add(n=4)))
        await db.run(q.add(n=5))

    play(story, commit_check="marker")
    assert rows() == [False] * 3


def test_without_its_table_it_says_how_to_make_it(play: Play, q: Any, side: Any) -> None:
    side.execute("alter table raxol_outcomes rename to elsewhere")

    async def story(db: Any) -> None:
        for work in (
            lambda: db.run_transaction(lambda tx: tx.run(q.add(n=1)), commit_check="marker"),
            lambda: db.run(rx.Multi(commit_check="marker").add("one", q.add(n=2))),
        ):
            with pytest.raises(psycopg.errors.UndefinedTable) as caught:
                await work()
            assert any("raxol-sql new outcomes" in note for note in caught.value.__notes__)

    try:
        play(story)
    finally:
        side.execute("alter table elsewhere rename to raxol_outcomes")


def test_what_is_not_there_is_made_impossible(
    play: Play, original: Any, rows: Any, marks: Any
) -> None:
    key = uuid.uuid4()

    async def story(db: Any) -> None:
        for _ in range(2):
            assert await db.resolve(token_of(key)) is rx.failures.Effect.ROLLED_BACK

    play(story)
    original.execute("insert into marks values (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        original.execute(INSERT, [key])
    original.rollback()
    assert (rows(), marks()) == ([True], [])


def test_what_is_there_has_happened(play: Play, original: Any, rows: Any) -> None:
    key = uuid.uuid4()
    original.execute(INSERT, [key])
    original.commit()

    async def story(db: Any) -> None:
        for _ in range(2):
            assert await db.resolve(token_of(key)) is rx.failures.Effect.COMMITTED

    play(story)
    assert rows() == [False]


@pytest.mark.parametrize("commits", [True, False])
def test_what_is_still_open_is_waited_for(
    play: Play, original: Any, rows: Any, commits: bool
) -> None:
    key = uuid.uuid4()
    original.execute(INSERT, [key])

    def end() -> None:
        time.sleep(0.2)
        (original.commit if commits else original.rollback)()

    async def story(db: Any) -> rx.failures.Effect:
        ending = threading.Thread(target=end)
        ending.start()
        try:
            effect: rx.failures.Effect = await db.resolve(token_of(key))
            return effect
        finally:
            ending.join()

    assert play(story) is (
        rx.failures.Effect.COMMITTED if commits else rx.failures.Effect.ROLLED_BACK
    )
    assert rows() == [not commits]


def test_what_stays_open_is_not_known(play: Play, original: Any, rows: Any) -> None:
    key = uuid.uuid4()
    original.execute(INSERT, [key])

    async def story(db: Any) -> None:
        assert await db.resolve(token_of(key)) is rx.failures.Effect.UNKNOWN

    play(story, timeout=700)
    assert rows() == []


@pytest.mark.parametrize("level", ["read committed", "serializable"])
def test_an_original_with_an_older_snapshot_cannot_get_past_the_tombstone(
    play: Play, original: Any, rows: Any, marks: Any, level: str
) -> None:
    key = uuid.uuid4()
    original.execute(f"set transaction isolation level {level}")
    original.execute("insert into marks values (1)")

    async def story(db: Any) -> None:
        assert await db.resolve(token_of(key)) is rx.failures.Effect.ROLLED_BACK

    play(story)
    with pytest.raises(psycopg.Error) as caught:
        original.execute(INSERT, [key])
    assert caught.value.sqlstate in ("23505", "40001")
    original.rollback()
    assert (rows(), marks()) == ([True], [])


def test_a_transaction_that_was_settled_while_it_was_open_says_so(
    play: Play, q: Any, accounts_database: str, marks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = uuid.uuid4()
    monkeypatch.setattr(uuid, "uuid4", lambda: key)

    async def story(db: Any) -> None:
        with rx.Database.open(accounts_database) as other:
            assert other.resolve(token_of(key)) is rx.failures.Effect.ROLLED_BACK
        with pytest.raises(
            rx.errors.TransactionError, match="another process resolved the outcome"
        ):
            await db.run_transaction(lambda tx: tx.run(q.add(n=1)), commit_check="marker")

    play(story)
    assert marks() == []


def test_rows_are_forgotten_by_age_and_their_tokens_say_so(
    play: Play, side: Any, rows: Any
) -> None:
    old, new = uuid.uuid4(), uuid.uuid4()
    side.execute("insert into raxol_outcomes values (%s, false, now() - interval '8 days')", [old])
    side.execute(INSERT, [new])
    old_token = rx.OutcomeToken(None, key=old, created=time.time() - 8 * 86400)

    async def story(db: Any) -> None:
        assert await db.resolve(old_token) is rx.failures.Effect.COMMITTED
        assert await db.purge_outcomes(7) == 1
        assert await db.purge_outcomes(7) == 0
        assert await db.purge_outcomes(30) == 0
        assert await db.resolve(old_token) is rx.failures.Effect.UNKNOWN
        assert await db.resolve(token_of(new)) is rx.failures.Effect.COMMITTED
        with pytest.raises(ValueError, match="must be 1 or more"):
            await db.purge_outcomes(0)

    play(story)
    assert sorted(rows()) == [False, True]


def test_an_outcome_that_does_not_exist_is_refused(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        for work in (
            lambda: db.transaction(commit_check="maybe"),
            lambda: rx.Multi(commit_check="maybe"),
        ):
            with pytest.raises(ValueError, match="commit_check must be one of xid, marker, none"):
                work()
        with pytest.raises(ValueError, match="commit_check must be one of"):
            await db.run_transaction(lambda tx: tx.run(q.add(n=1)), commit_check="maybe")

    play(story)


def test_an_id_alone_with_nothing_to_ask_is_unknown(play: Play) -> None:
    async def story(db: Any) -> None:
        assert await db.resolve(rx.OutcomeToken(None)) is rx.failures.Effect.UNKNOWN
        assert await db.resolve(rx.OutcomeToken(None, 1000)) is rx.failures.Effect.UNKNOWN

    play(story)
