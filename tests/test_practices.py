"""The practices that the documentation recommends, as the library supports them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.demo.accounts import User

ANN = {"email": "ann@b.de", "name": "Ann", "age": 34}


def count(db: rx.Database, queries: rx.Queries) -> int:
    total: int = db.run(queries.users.count())
    return total


def test_changes_that_belong_together_happen_together_or_not_at_all(
    db: rx.Database, queries: rx.Queries
) -> None:
    multi = (
        rx.Multi()
        .add("user", queries.users.create(**ANN))
        .add("again", queries.users.create(**ANN))
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.run(multi)
    assert count(db, queries) == 0


FAILING: list[tuple[str, Callable[[rx.Database, rx.Queries], Any]]] = [
    ("users.create", lambda db, q: db.run(q.users.create(**{**ANN, "email": "x"}))),
    ("users.get", lambda db, q: db.run(q.users.get(id="one"))),
    ("users.get", lambda db, q: db.run(q.users.get(id=2**70))),
    ("users.create", lambda db, q: db.run_many(q.users.create, [ANN, ANN])),
    ("users.search", lambda db, q: list(db.stream(q.users.search(limit=-1)))),
    ("users.load", lambda db, q: db.copy(q.users.load, [("x", "y", 1)])),
    (
        "users.create",
        lambda db, q: db.run(rx.Multi().add("a", q.users.create(**{**ANN, "age": 0}))),
    ),
    ("users.create", lambda db, q: rx.Repo(db, q).create(User, {**ANN, "name": "n" * 300})),
]


@pytest.mark.parametrize(("name", "fail"), FAILING)
def test_an_error_is_one_of_ours_or_the_driver_s_and_names_its_query_once(
    name: str,
    fail: Callable[[rx.Database, rx.Queries], Any],
    db: rx.Database,
    queries: rx.Queries,
) -> None:
    with pytest.raises((rx.RaxolSQLError, psycopg.Error)) as caught:
        fail(db, queries)
    error = caught.value
    told = [str(error), *getattr(error, "__notes__", ())]
    if not isinstance(error, rx.InvalidChangesetError):
        assert sum(name in line for line in told) == 1, told
    assert count(db, queries) == 0


def test_a_conflict_is_retried_and_a_mistake_of_the_program_never(
    db: rx.Database, queries: rx.Queries
) -> None:
    calls: list[str] = []

    def conflicting(tx: rx.Transaction) -> int:
        calls.append("conflict")
        if len(calls) == 1:
            raise_conflict(tx)
        total: int = tx.run(queries.users.count())
        return total

    def raise_conflict(tx: rx.Transaction) -> None:
        first = db.run(queries.users.create(**ANN))
        tx.run(queries.users.get(id=first.id))
        db.run(queries.users.update(id=first.id, age=1))
        tx.run(queries.users.update(id=first.id, age=2))

    def mistaken(tx: rx.Transaction) -> None:
        calls.append("mistake")
        raise KeyError("a mistake")

    assert db.run_transaction(conflicting, isolation="repeatable read") == 1
    assert calls == ["conflict", "conflict"]
    with pytest.raises(KeyError):
        db.run_transaction(mistaken)
    assert calls.count("mistake") == 1


def test_a_value_is_never_part_of_the_statement(db: rx.Database, queries: rx.Queries) -> None:
    name = "x'; drop table users; --"
    user = db.run(queries.users.create(email="a@b.de", name=name, age=1))
    assert db.run(queries.users.get(id=user.id)).name == name
    assert count(db, queries) == 1
    for text in ("select 1", f"select '{name}'"):
        with pytest.raises(TypeError, match="expects a bound query"):
            db.run(text)  # type: ignore[call-overload]


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_any_text_comes_back_as_it_was(text: str, db: rx.Database, queries: rx.Queries) -> None:
    with db.transaction() as tx:
        user = tx.run(queries.users.create(email="a@b.de", name=f"n{text}"[:255], age=None))
        assert tx.run(queries.users.get(id=user.id)).name == f"n{text}"[:255]
        tx.run(queries.users.delete(id=user.id))
