"""Which query a function runs, and what is said where that is not written."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import attrs
import psycopg
import pytest

import raxol_sql as rx
from raxol_sql.demo.accounts import User, UserPreferences

COLUMNS = "id, email, name, age, active, inserted_at, updated_at"
GET = f"-- name: get :maybe -> User\nselect {COLUMNS} from users where id = :id;\n"

Own = Callable[..., rx.Queries]


@attrs.frozen
class Note:
    """A record that no query gives."""

    id: int


def test_a_query_that_is_not_written_is_named_with_its_file_and_a_starter(
    db: rx.Database, own: Own
) -> None:
    repo = rx.Repo(db, own(people=GET))
    with pytest.raises(rx.errors.MissingQueryError) as caught:
        repo.first(User)
    error = caught.value
    assert error.name == "people.first"
    assert error.file.endswith("people.sql")
    assert error.starter == (
        "-- name: first :maybe -> User\n-- @idempotent\n"
        f"select {COLUMNS}\nfrom people\norder by id\nlimit 1;\n"
    )
    assert str(error).startswith(
        "first(User) needs a query that is not written, and there is no query 'people.first'"
    )
    assert isinstance(error, KeyError)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_error_names_the_method_that_was_called(db: rx.Database, own: Own) -> None:
    repo = rx.Repo(db, own(people=GET))
    with pytest.raises(rx.errors.MissingQueryError) as caught:
        repo.get_by(User, email="x")
    assert str(caught.value).startswith(
        "get_by(User, email=…) needs a query that is not written, and there is no query "
        "'people.get_by_email'"
    )


CALLS: list[Any] = [
    lambda repo, user: repo.get_by(User, email="x", age=1),
    lambda repo, user: repo.create(User, {}),
    lambda repo, user: repo.upsert(User, {}),
    lambda repo, user: repo.update(user, {}),
    lambda repo, user: repo.delete(user),
    lambda repo, user: repo.all(User),
    lambda repo, user: repo.all(User, active=True),
    lambda repo, user: repo.first(User),
    lambda repo, user: repo.last(User, active=True),
    lambda repo, user: repo.exists(User),
    lambda repo, user: repo.exists(User, email="x"),
    lambda repo, user: repo.count(User),
    lambda repo, user: repo.count(User, active=True),
    lambda repo, user: repo.insert_all(User, []),
]


@pytest.mark.parametrize("call", CALLS)
def test_every_starter_is_a_query_that_loads_and_that_the_server_takes(
    call: Callable[[Any, Any], Any],
    db: rx.Database,
    own: Own,
    side: psycopg.Connection[Any],
    repo_database: str,
) -> None:
    side.execute("insert into users (email, name) values ('a@b.de', 'A')")
    repo = rx.Repo(db, own(users=GET))
    user = repo.get(User, 1)
    with pytest.raises(rx.errors.MissingQueryError) as caught:
        call(repo, user)
    queries = own(users=GET + caught.value.starter)
    query = queries[caught.value.name]
    with psycopg.connect(repo_database) as connection:
        bound = query(**dict.fromkeys(query.required))
        prepared = connection.pgconn.prepare(b"", bound.statement.text.encode())
        assert prepared.status == psycopg.pq.ExecStatus.COMMAND_OK, prepared.error_message
    names = set(queries)
    assert {"users.get", caught.value.name} == names


def test_a_record_that_no_query_gives_is_told_what_to_write(db: rx.Database, own: Own) -> None:
    repo = rx.Repo(db, own(people=GET))
    with pytest.raises(LookupError, match=r"gives Note.*-- name: get :maybe -> Note"):
        repo.get(Note, 1)
    with pytest.raises(TypeError, match="give the class of the record first"):
        repo.get(7, User)  # type: ignore[arg-type]


def test_a_record_of_two_namespaces_needs_to_be_told_which(db: rx.Database, own: Own) -> None:
    queries = own(people=GET, others=GET)
    with pytest.raises(LookupError, match="others, people; say which is meant"):
        rx.Repo(db, queries).get(User, 1)
    assert rx.Repo(db, queries, namespaces={User: "people"}).get(User, 1) is None
    with pytest.raises(rx.errors.UnknownQueryError, match="peopel"):
        rx.Repo(db, queries, namespaces={User: "peopel"})


def test_a_query_of_another_kind_or_record_is_refused_with_the_header_that_it_needs(
    db: rx.Database, own: Own
) -> None:
    text = f"{GET}-- name: first :many -> User\nselect {COLUMNS} from users;\n"
    text += "-- name: count :one\nselect count(*) from users;\n"
    repo = rx.Repo(db, own(users=text))
    with pytest.raises(
        rx.errors.DefinitionError, match=r"write -- name: first :maybe or :one -> User"
    ):
        repo.first(User)
    with pytest.raises(rx.errors.DefinitionError, match=r"write -- name: count :one -> scalar"):
        repo.count(User)


def test_conditions_are_named_in_alphabetical_order(db: rx.Database, own: Own) -> None:
    repo = rx.Repo(db, own(users=GET))
    for call in (
        lambda: repo.get_by(User, name="A", age=1),
        lambda: repo.get_by(User, age=1, name="A"),
    ):
        with pytest.raises(rx.errors.MissingQueryError) as caught:
            call()
        assert caught.value.name == "users.get_by_age_and_name"


def test_a_hook_sees_every_query_before_it_is_run_and_may_refuse_it(
    colour: str, make_repo: Any, queries: rx.Queries, ann: dict[str, Any]
) -> None:
    seen: list[str] = []

    def before(bound: rx.BoundQuery[Any]) -> None:
        seen.append(bound.query.name)
        if bound.query.name == "users.delete":
            raise PermissionError("nobody deletes users here")

    with make_repo(colour, queries, before=before) as repo:
        user = repo.create(User, ann)
        repo.run(repo.multi().update("one", user, {"age": 1}))
        with pytest.raises(PermissionError):
            repo.delete(user)
        assert repo.get(User, user.id).age == 1
    assert seen == ["users.create", "users.update", "users.delete", "users.get"]


def test_the_records_of_the_domain_are_found_without_being_told(
    db: rx.Database, queries: rx.Queries, ann: dict[str, Any]
) -> None:
    repo = rx.Repo(db, queries)
    user = repo.create(User, ann)
    preferences = repo.create(UserPreferences, {"user_id": user.id, "theme": "dark"})
    assert repo.get(UserPreferences, preferences.id) == preferences
    assert repo.update(preferences, {"theme": "light"}).theme == "light"
