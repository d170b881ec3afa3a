"""The CRUD functions of a Repo, each with what it returns and raises."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.demo.accounts import User, UserPreferences


def test_create_stores_a_record_and_gives_it_with_what_the_database_fills_in(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    user = repo.create(User, ann)
    assert (user.email, user.name, user.age, user.active) == (*ann.values(), True)
    row = side.execute("select id, inserted_at, updated_at from users").fetchall()
    assert row == [(user.id, user.inserted_at, user.updated_at)]


def test_create_takes_text_as_a_form_gives_it(repo: Any) -> None:
    user = repo.create(User, {"email": "a@b.de", "name": "A", "age": "34", "active": "false"})
    assert (user.age, user.active) == (34, False)


def test_create_tells_everything_that_is_wrong_at_once_and_stores_nothing(
    repo: Any, side: psycopg.Connection[Any]
) -> None:
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.create(User, {"email": "no address", "age": "-1"})
    assert caught.value.messages == {
        "email": ["has invalid format"],
        "age": ["must be greater than 0"],
        "name": ["can't be blank"],
    }
    assert side.execute("select count(*) from users").fetchone() == (0,)


def test_create_says_of_an_email_that_is_there_that_it_has_already_been_taken(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    repo.create(User, ann)
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.create(User, ann)
    assert caught.value.messages == {"email": ["has already been taken"]}
    assert isinstance(caught.value.__cause__, psycopg.errors.UniqueViolation)
    assert any("users.create" in note for note in caught.value.__notes__)
    assert side.execute("select count(*) from users").fetchone() == (1,)


def test_create_refuses_a_name_that_is_no_field_and_offers_the_nearest(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    with pytest.raises(
        rx.errors.ParameterError, match="'emial' is no field of User; did you mean 'email'"
    ):
        repo.create(User, {**ann, "emial": "x"})
    assert side.execute("select count(*) from users").fetchone() == (0,)


def test_create_says_of_a_parent_that_is_missing_that_it_does_not_exist(repo: Any) -> None:
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.create(UserPreferences, {"user_id": 999})
    assert caught.value.messages == {"user_id": ["does not exist"]}


def test_create_takes_a_changeset_and_none_of_another_record(
    repo: Any, ann: dict[str, Any]
) -> None:
    changeset = User.changeset(User, ann)
    assert repo.create(User, changeset).email == ann["email"]
    with pytest.raises(TypeError, match="a changeset of User is none of UserPreferences"):
        repo.create(UserPreferences, changeset)


def test_get_gives_the_record_with_a_key_or_none(repo: Any, ann: dict[str, Any]) -> None:
    user = repo.create(User, ann)
    assert repo.get(User, user.id) == repo.get(User, id=user.id) == user
    assert repo.get(User, 0) is None
    assert repo.get(User, str(user.id)) == user


def test_get_or_raise_says_that_there_is_none(repo: Any) -> None:
    with pytest.raises(rx.NoRowsError, match="there is none"):
        repo.get_or_raise(User, 0)
    with pytest.raises(LookupError):
        repo.get_by_or_raise(User, email="nobody@b.de")


def test_get_refuses_none_before_anything_is_sent(repo: Any) -> None:
    with pytest.raises(rx.errors.ParameterError, match="id is None"):
        repo.get(User, None)
    with pytest.raises(rx.errors.ParameterError, match="it takes id"):
        repo.get(User, 1, 2)
    with pytest.raises(rx.errors.ParameterError, match="id is missing"):
        repo.get(User)


def test_get_by_finds_by_a_value_and_refuses_none(repo: Any, ann: dict[str, Any]) -> None:
    user = repo.create(User, ann)
    assert repo.get_by(User, email=user.email) == user
    assert repo.get_by(User, email="other@b.de") is None
    with pytest.raises(rx.errors.ParameterError, match=r"email is None.*is null"):
        repo.get_by(User, email=None)
    with pytest.raises(TypeError, match="needs a condition"):
        repo.get_by(User)


def test_get_by_says_how_many_there_are_where_one_was_expected(
    make_repo: Any, own: Any, colour: str, ann: dict[str, Any], queries: rx.Queries
) -> None:
    more = own(
        users="""\
        -- name: get_by_age_and_name :maybe -> User
        select id, email, name, age, active, inserted_at, updated_at
        from users where name = :name and age = :age;
        """
    )
    with make_repo(colour, queries) as repo, make_repo(colour, more) as other:
        for email in ("a@b.de", "b@b.de"):
            repo.create(User, {**ann, "email": email})
        with pytest.raises(rx.TooManyRowsError, match="at most one row, got 2"):
            other.get_by(User, name="Ann", age=34)


def test_update_sends_what_changed_and_gives_the_record_as_it_is_now(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    user = repo.create(User, ann)
    side.execute("update users set name = 'Anna'")  # by somebody else, meanwhile
    changed = repo.update(user, {"age": 35})
    assert (changed.age, changed.name, changed.id) == (35, "Anna", user.id)
    assert changed.updated_at > user.updated_at
    assert changed.inserted_at == user.inserted_at
    assert user.age == 34


def test_update_can_set_a_field_to_null(repo: Any, ann: dict[str, Any]) -> None:
    assert repo.update(repo.create(User, ann), {"age": None}).age is None


def test_update_without_a_change_sends_nothing(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    user = repo.create(User, ann)
    before = side.execute("select xmin, updated_at from users").fetchone()
    assert repo.update(user, {"age": "34", "name": "Ann"}) is user
    assert side.execute("select xmin, updated_at from users").fetchone() == before


def test_update_takes_a_changeset_of_the_record(repo: Any, ann: dict[str, Any]) -> None:
    user = repo.create(User, ann)
    assert repo.update(User.changeset(user, {"name": "Eve"})).name == "Eve"
    with pytest.raises(TypeError, match="update takes a record"):
        repo.update(User, {"name": "Eve"})


def test_update_of_a_record_that_is_gone_says_that_it_is_stale(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    user = repo.create(User, ann)
    side.execute("delete from users")
    with pytest.raises(rx.StaleRecordError, match="gone, or was changed"):
        repo.update(user, {"age": 35})


def test_update_says_of_a_value_that_another_has_that_it_is_taken(
    repo: Any, ann: dict[str, Any]
) -> None:
    repo.create(User, ann)
    other = repo.create(User, {**ann, "email": "ben@example.org"})
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.update(other, {"email": ann["email"]})
    assert caught.value.messages == {"email": ["has already been taken"]}


def test_delete_gives_the_record_as_it_was_and_a_second_time_says_that_it_is_gone(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    user = repo.create(User, ann)
    assert repo.delete(user) == user
    assert side.execute("select count(*) from users").fetchone() == (0,)
    with pytest.raises(rx.StaleRecordError):
        repo.delete(user)
    assert repo.delete(user, allow_stale=True) is None


def test_all_gives_every_record_in_order_and_never_ignores_a_filter(
    repo: Any, ann: dict[str, Any]
) -> None:
    assert repo.all(User) == []
    users = [repo.create(User, {**ann, "email": f"{n}@b.de"}) for n in range(3)]
    users[1] = repo.update(users[1], {"active": False})
    assert repo.all(User) == users
    assert repo.all(User, active=False) == [users[1]]
    with pytest.raises(rx.errors.MissingQueryError, match="all_by_age"):
        repo.all(User, age=34)


def test_stream_gives_the_records_of_all_one_by_one(repo: Any, ann: dict[str, Any]) -> None:
    users = [repo.create(User, {**ann, "email": f"{n}@b.de"}) for n in range(3)]
    assert list(repo.stream(User)) == users


@given(ages=st.lists(st.integers(1, 2**31 - 1), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
def test_first_is_the_least_and_last_the_greatest_by_key_wherever_the_rows_lie(
    ages: list[int], db: rx.Database, queries: rx.Queries
) -> None:
    repo = rx.Repo(db, queries)
    with repo.transaction() as inside:
        db_users = [
            inside.create(User, {"email": f"{n}@b.de", "name": "A", "age": age})
            for n, age in enumerate(ages)
        ]
        for user in db_users[:1]:
            inside.update(user, {"name": "moved"})
        first, last = inside.first(User), inside.last(User)
        keys = [user.id for user in db_users]
        assert (first and first.id, last and last.id) == (
            min(keys, default=None),
            max(keys, default=None),
        )
        for user in inside.all(User):
            inside.delete(user)


def test_exists_and_count_give_what_their_queries_say(repo: Any, ann: dict[str, Any]) -> None:
    assert repo.count(User) == 0
    assert repo.exists(User, email=ann["email"]) is False
    repo.create(User, ann)
    assert repo.count(User) == 1
    assert repo.exists(User, email=ann["email"]) is True


def test_reload_gives_the_record_as_it_is_now_or_none(
    repo: Any, ann: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    user = repo.create(User, ann)
    side.execute("update users set name = 'Anna'")
    assert repo.reload(user).name == "Anna"
    side.execute("delete from users")
    assert repo.reload(user) is None


def test_reload_of_a_list_keeps_the_order_and_the_places_of_those_that_are_gone(
    repo: Any, ann: dict[str, Any]
) -> None:
    users = [repo.create(User, {**ann, "email": f"{n}@b.de"}) for n in range(3)]
    repo.delete(users[1])
    assert repo.reload([users[2], users[1], users[0]]) == [users[2], None, users[0]]
    assert repo.reload([]) == []


def test_upsert_creates_once_and_changes_after_that(repo: Any, ann: dict[str, Any]) -> None:
    made = repo.upsert(User, ann)
    again = repo.upsert(User, {**ann, "age": 40})
    assert (again.id, again.age) == (made.id, 40)
    assert repo.count(User) == 1


def test_insert_all_stores_all_rows_or_none(repo: Any, ann: dict[str, Any]) -> None:
    rows = [{**ann, "email": f"{n}@b.de"} for n in range(5)]
    users = repo.insert_all(User, rows)
    assert [user.email for user in users] == [row["email"] for row in rows]
    assert repo.insert_all(User, []) == []
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.insert_all(User, [{**ann, "email": "new@b.de"}, rows[0]])
    assert caught.value.messages == {"email": ["has already been taken"]}
    assert any("in row 1" in note for note in caught.value.__notes__)
    assert repo.count(User) == 5


def test_insert_all_checks_every_row_before_anything_is_sent(
    repo: Any, ann: dict[str, Any]
) -> None:
    rows = [ann, {**ann, "age": 0}, {"email": "x"}]
    with pytest.raises(rx.InvalidChangesetError) as caught:
        repo.insert_all(User, rows)
    assert caught.value.messages == {
        "1.age": ["must be greater than 0"],
        "2.email": ["has invalid format"],
        "2.name": ["can't be blank"],
    }
    with pytest.raises(rx.errors.ParameterError, match="row 1: 'nam' is no field"):
        repo.insert_all(User, [ann, {"nam": "x"}])
    assert repo.count(User) == 0
