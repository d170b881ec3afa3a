"""Several changes of a Repo that happen together or not at all."""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo.accounts import User, UserPreferences


def users_in(side: psycopg.Connection[Any]) -> int:
    row = side.execute("select count(*) from users").fetchone()
    assert row is not None
    return int(row[0])


def test_multi_gives_the_results_of_all_steps_by_name(
    repo: Any, ann: dict[str, Any], queries: rx.Queries
) -> None:
    multi = (
        repo.multi()
        .create("user", User, ann)
        .create("preferences", UserPreferences, lambda done: {"user_id": done["user"].id})
        .put("word", "kept")
        .update("older", lambda done: done["user"], {"age": 35})
        .add("count", queries.users.count())
        .add("found", lambda done: queries.users.get(id=done["user"].id))
        .delete("gone", lambda done: done["preferences"])
    )
    assert multi.names == ("user", "preferences", "word", "older", "count", "found", "gone")
    done = repo.run(multi)
    assert tuple(done) == multi.names
    assert done["preferences"] == done["gone"]
    assert done["preferences"].user_id == done["user"].id == done["older"].id
    assert (done["older"].age, done["word"], done["count"]) == (35, "kept", 1)
    assert done["found"] == done["older"]


def test_an_invalid_changeset_is_found_before_the_transaction_begins(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    def never(done: Any) -> Any:
        raise AssertionError("a step was begun")

    multi = (
        repo.multi()
        .add("first", never)
        .create("user", User, ann)
        .create("other", User, {"email": "x", "name": "B"})
    )
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.run(multi)
    assert caught.value.messages == {"email": ["has invalid format"]}
    failure = rx.StepFailure.of(caught.value)
    assert failure is not None
    assert (failure.step, dict(failure.done)) == ("other", {})
    assert users_in(side) == 0


def test_a_failing_step_takes_everything_back_and_tells_what_the_others_gave(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    multi = (
        repo.multi()
        .create("user", User, ann)
        .create("preferences", UserPreferences, lambda done: {"theme": "dark"})
    )
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.run(multi)
    assert caught.value.messages == {"user_id": ["can't be blank"]}
    failure = rx.StepFailure.of(caught.value)
    assert failure is not None
    assert (failure.step, list(failure.done)) == ("preferences", ["user"])
    assert failure.done["user"].email == ann["email"]
    assert users_in(side) == 0


def test_a_constraint_that_a_step_violates_is_the_error_of_its_field(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    repo.create(User, ann)
    other = {**ann, "email": "b@b.de"}
    for multi in (
        repo.multi().create("new", User, other).create("again", User, ann),
        repo.multi().create("new", User, other).create("again", User, lambda done: ann),
    ):
        with pytest.raises(rx.InvalidChangesetError) as caught:
            repo.run(multi)
        assert caught.value.messages == {"email": ["has already been taken"]}
        assert isinstance(caught.value.__cause__, psycopg.errors.UniqueViolation)
        failure = rx.StepFailure.of(caught.value)
        assert failure is not None
        assert failure.step == "again"
        assert users_in(side) == 1


def test_a_stale_record_in_a_step_takes_everything_back(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    gone = repo.delete(repo.create(User, ann))
    for step in ("update", "delete"):
        multi = repo.multi().create("user", User, ann)
        multi = multi.update("x", gone, {"age": 1}) if step == "update" else multi.delete("x", gone)
        with pytest.raises(rx.StaleRecordError) as caught:
            repo.run(multi)
        failure = rx.StepFailure.of(caught.value)
        assert failure is not None
        assert (failure.step, list(failure.done)) == ("x", ["user"])
        assert users_in(side) == 0
    done = repo.run(repo.multi().delete("x", gone, allow_stale=True))
    assert done == {"x": None}


def test_a_step_without_a_change_gives_the_record_and_sends_nothing(
    repo: Any, ann: dict[str, Any]
) -> None:
    user = repo.create(User, ann)
    done = repo.run(repo.multi().update("same", user, {}).put("value", 7).upsert("up", User, ann))
    assert done["same"] is user
    assert (done["value"], done["up"].id) == (7, user.id)
    assert repo.run(repo.multi()) == {}


def test_names_of_steps_are_given_once(repo: Any, ann: dict[str, Any]) -> None:
    multi = repo.multi().create("user", User, ann)
    with pytest.raises(ValueError, match="there is a step 'user' already"):
        multi.create("user", User, ann)
    assert multi.put("more", 1).names == ("user", "more")
    assert multi.names == ("user",)


def test_what_is_none_of_the_repo_runs_as_on_the_database(
    repo: Any, queries: rx.Queries, ann: dict[str, Any]
) -> None:
    assert repo.run(queries.users.count()) == 0
    assert repo.run(rx.Multi().add("n", queries.users.count()).put("x", 1)) == {"n": 0, "x": 1}


def test_a_value_between_queries_leaves_the_name_of_a_failed_step_right(
    repo: Any, queries: rx.Queries
) -> None:
    multi = (
        rx.Multi()
        .put("value", 1)
        .add("count", queries.users.count())
        .put("other", 2)
        .add("bad", queries.users.create(email="x", name="A", age=1))
        .put("last", 3)
    )
    with pytest.raises(psycopg.errors.CheckViolation) as caught:
        repo.run(multi)
    failure = rx.StepFailure.of(caught.value)
    assert failure is not None
    assert (failure.step, dict(failure.done)) == ("bad", {"value": 1, "count": 0, "other": 2})


def test_a_transaction_commits_at_its_end_and_takes_everything_back_after_an_error(
    db: rx.Database, queries: rx.Queries, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    repo = rx.Repo(db, queries)
    with repo.transaction() as inside:
        inside.create(User, ann)
        assert users_in(side) == 0
    assert users_in(side) == 1
    with pytest.raises(RuntimeError, match="no"), repo.transaction() as inside:  # noqa: PT012
        inside.create(User, {**ann, "email": "b@b.de"})
        raise RuntimeError("no")
    assert users_in(side) == 1


def test_a_refused_record_in_a_nested_transaction_leaves_the_outer_one_whole(
    db: rx.Database, queries: rx.Queries, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    repo = rx.Repo(db, queries)
    with repo.transaction() as outer:
        outer.create(User, ann)
        with pytest.raises(rx.InvalidChangesetError), outer.transaction() as inner:
            inner.create(User, ann)
        outer.create(User, {**ann, "email": "b@b.de"})
    assert users_in(side) == 2


def test_transact_gives_what_its_function_gives(
    db: rx.Database, queries: rx.Queries, ann: dict[str, Any]
) -> None:
    user = rx.Repo(db, queries).run_transaction(
        lambda repo: repo.create(User, ann), isolation="serializable"
    )
    assert rx.Repo(db, queries).get(User, user.id) == user


async def _both(repo_database: str, queries: rx.Queries, ann: dict[str, Any]) -> tuple[Any, ...]:
    async with await rx.AsyncDatabase.open(repo_database) as db:
        repo = rx.AsyncRepo(db, queries)
        async with repo.transaction() as inside:
            user = await inside.create(User, ann)

        async def work(inside: rx.AsyncRepo) -> User:
            return await inside.update(user, {"age": 99})

        return user, await repo.run_transaction(work), [one async for one in repo.stream(User)]


def test_transactions_of_asyncio_are_those_of_the_blocking_repo(
    side: psycopg.Connection[Any], repo_database: str, queries: rx.Queries, ann: dict[str, Any]
) -> None:
    user, older, all_of_them = asyncio.run(_both(repo_database, queries, ann))
    assert (older.id, older.age) == (user.id, 99)
    assert all_of_them == [older]
