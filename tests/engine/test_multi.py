"""Multi: named steps that happen together or not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo.accounts import User
from raxol_sql.engine.session.prepared import PreparedStatements

if TYPE_CHECKING:
    from tests.engine.conftest import Play

ANN = {"email": "ann@b.de", "name": "Ann", "age": 30}
BEN = {"email": "ben@b.de", "name": "Ben", "age": 40}
SQL = """\
    -- name: rename :affected
    update users set name = :name where id = :id;
    -- name: by_name :one -> User
    select * from users where name = :name;
    -- name: names :many -> scalar
    select name from users order by id;
    -- name: double :exec
    insert into users (email, name, age) values (:email, 'twice', 1);
    -- name: make :exec
    create table made (a int);
    -- name: fill :affected
    insert into made values (:a);
    -- name: unmake :exec
    drop table made;
    -- name: wrong :exec
    select no_such_column;
    -- name: load :copy
    copy users (email, name, age) from stdin;
"""


@pytest.fixture
def q(write: Any) -> Any:
    return write(SQL)


def test_the_results_come_by_name_in_the_order_of_the_steps(
    play: Play, queries: rx.Queries, q: Any
) -> None:
    async def story(db: Any) -> None:
        done = await db.run(
            rx.Multi()
            .add("ann", queries.users.create(**ANN))
            .add("ben", queries.users.create(**BEN))
            .add("changed", q.rename(id=1, name="Anna"))
            .add("names", q.names())
        )
        assert list(done) == ["ann", "ben", "changed", "names"]
        assert isinstance(done["ann"], User)
        assert done["changed"] == 1
        assert done["names"] == ["Anna", "Ben"]

    play(story)


def test_a_step_is_made_of_the_results_before_it(play: Play, queries: rx.Queries, q: Any) -> None:
    seen: list[dict[str, Any]] = []

    def rename(done: Any) -> Any:
        seen.append(dict(done))
        return q.rename(id=done["ann"].id, name="Anna")

    async def story(db: Any) -> None:
        done = await db.run(
            rx.Multi()
            .add("ann", queries.users.create(**ANN))
            .add("renamed", rename)
            .add("names", q.names())
        )
        assert done["names"] == ["Anna"]
        assert [list(known) for known in seen] == [["ann"]]

    play(story)


def test_a_multi_without_steps_gives_nothing(play: Play) -> None:
    async def story(db: Any) -> None:
        assert await db.run(rx.Multi()) == {}

    play(story)


def test_a_failure_takes_everything_back_and_says_which_step_it_was(
    play: Play, queries: rx.Queries, q: Any
) -> None:
    async def story(db: Any) -> None:
        multi = (
            rx.Multi()
            .add("ann", queries.users.create(**ANN))
            .add("again", q.double(email=ANN["email"]))
            .add("names", q.names())
        )
        with pytest.raises(psycopg.errors.UniqueViolation) as caught:
            await db.run(multi)
        failure = rx.StepFailure.of(caught.value)
        assert failure is not None
        assert failure.step == "again"
        assert any("'again'" in note for note in caught.value.__notes__)
        assert any("in query q.double (" in note for note in caught.value.__notes__)
        assert await db.run(q.names()) == []

    play(story)


def test_a_failure_carries_the_results_so_far(play: Play, queries: rx.Queries, q: Any) -> None:
    async def story(db: Any) -> None:
        multi = (
            rx.Multi()
            .add("ann", queries.users.create(**ANN))
            .add("found", lambda done: q.by_name(name=done["ann"].name + "!"))
        )
        with pytest.raises(rx.NoRowsError) as caught:
            await db.run(multi)
        failure = rx.StepFailure.of(caught.value)
        assert failure is not None
        assert failure.step == "found"
        assert failure.done["ann"].email == ANN["email"]
        assert "ann@b.de" not in repr(failure)
        assert await db.run(q.names()) == []

    play(story)


def test_a_result_that_is_refused_here_takes_everything_back(
    play: Play, queries: rx.Queries, q: Any
) -> None:
    async def story(db: Any) -> None:
        multi = (
            rx.Multi().add("ann", queries.users.create(**ANN)).add("none", q.by_name(name="Zoe"))
        )
        with pytest.raises(rx.NoRowsError):
            await db.run(multi)
        assert await db.run(q.names()) == []

    play(story)


def test_an_error_in_a_function_takes_everything_back(
    play: Play, queries: rx.Queries, q: Any
) -> None:
    def fail(done: Any) -> Any:
        raise LookupError("not today")

    async def story(db: Any) -> None:
        with pytest.raises(LookupError) as caught:
            await db.run(rx.Multi().add("ann", queries.users.create(**ANN)).add("no", fail))
        failure = rx.StepFailure.of(caught.value)
        assert failure is not None
        assert failure.step == "no"
        assert await db.run(q.names()) == []

    play(story)


def test_a_function_that_gives_no_query_is_an_error_that_names_the_step(
    play: Play, queries: rx.Queries
) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(TypeError, match="step 'no'"):
            await db.run(rx.Multi().add("no", lambda done: "select 1"))

    play(story)


def test_a_step_may_need_what_another_one_makes(play: Play, q: Any) -> None:
    async def story(db: Any) -> None:
        multi = (
            rx.Multi()
            .add("make", q.make())
            .add("fill", q.fill(a=1))
            .add("more", q.fill(a=2))
            .add("unmake", q.unmake())
        )
        assert await db.run(multi) == {"make": None, "fill": 1, "more": 1, "unmake": None}

    play(story)


def test_in_a_transaction_a_multi_is_a_savepoint(play: Play, queries: rx.Queries, q: Any) -> None:
    async def story(db: Any) -> None:
        async with db.transaction() as tx:
            await tx.run(queries.users.create(**ANN))
            with pytest.raises(psycopg.errors.UndefinedColumn):
                await tx.run(
                    rx.Multi().add("ben", queries.users.create(**BEN)).add("wrong", q.wrong())
                )
            with pytest.raises(psycopg.errors.UniqueViolation):
                await tx.run(rx.Multi().add("again", queries.users.create(**ANN)))
            done = await tx.run(rx.Multi().add("names", q.names()))
            assert done == {"names": ["Ann"]}
        assert await db.run(q.names()) == ["Ann"]

    play(story)


def test_the_options_are_those_of_a_transaction(play: Play, queries: rx.Queries, q: Any) -> None:
    async def story(db: Any) -> None:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            await db.run(rx.Multi(read_only=True).add("ann", queries.users.create(**ANN)))
        async with db.transaction() as tx:
            with pytest.raises(rx.errors.TransactionError):
                await tx.run(rx.Multi(read_only=True).add("names", q.names()))
        with pytest.raises(ValueError, match="isolation must be one of"):
            rx.Multi(isolation="none")

    play(story)


def test_a_name_that_is_taken_is_refused_before_anything_is_sent(q: Any) -> None:
    with pytest.raises(ValueError, match="there is a step 'a' already"):
        rx.Multi().add("a", q.names()).add("a", q.names())


def test_what_is_no_step_is_refused_before_anything_is_sent(q: Any) -> None:
    with pytest.raises(
        rx.errors.QueryKindError, match=r"expects a bound query: call it first, as in names\(\)"
    ):
        rx.Multi().add("a", q.names)
    with pytest.raises(rx.errors.QueryKindError, match=r"run by copy\(\)"):
        rx.Multi().add("a", q.load())
    wrong: Any = "select 1"
    with pytest.raises(TypeError, match="step 'a'"):
        rx.Multi().add("a", wrong)


def test_adding_a_step_gives_another_multi(q: Any) -> None:
    one = rx.Multi().add("a", q.names())
    two = one.add("b", q.names())

    assert (one.names, two.names) == (("a",), ("a", "b"))
    assert repr(two) == "<Multi a, b>"


def test_a_multi_can_be_run_again(play: Play, q: Any) -> None:
    multi = rx.Multi().add("a", q.names()).add("b", lambda done: q.names())

    async def story(db: Any) -> None:
        for _ in range(3):
            assert await db.run(multi) == {"a": [], "b": []}

    play(story)


def test_the_statement_of_each_step_is_looked_up_once(play: Play, write: Any) -> None:
    texts = [
        f"-- name: n{n} :affected\nupdate users set age = {n} where id = :id;" for n in range(5)
    ]
    queries = write("\n".join(texts))
    multi = rx.Multi()
    for n in range(5):
        multi = multi.add(f"n{n}", queries[f"n{n}"](id=1))
    looked_up: list[str] = []

    def record(frame: Any, event: str, _: object) -> None:
        if event == "call" and frame.f_code is PreparedStatements.find.__code__:
            looked_up.append(frame.f_locals["text"])

    async def story(db: Any) -> None:
        await db.run(multi)
        looked_up.clear()
        sys.setprofile(record)
        try:
            await db.run(multi)
        finally:
            sys.setprofile(None)
        found = [text for text in looked_up if text.startswith("update")]
        assert len(found) == len(set(found)) == 5

    play(story, pool_size=1)


def test_an_error_that_comes_from_no_multi_has_no_step() -> None:
    assert rx.StepFailure.of(ValueError()) is None
