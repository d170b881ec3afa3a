"""A changeset accepts exactly what the table accepts: the server is asked."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.demo.accounts import User, UserPreferences
from raxol_sql.testing import sandbox

# The white space of Python's \s, at whose edges a regular expression and a CHECK part ways.
SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2003\u2028\u2029\u202f\u205f\u3000\u200b"
TEXTS = st.one_of(
    st.text(st.sampled_from("a@.b@. " + SPACES), max_size=12),
    st.text(max_size=20),
    st.text(st.characters(codec="utf-8"), min_size=250, max_size=260),
    st.from_regex(r"[^\s@]+@[^\s@]+\.[^\s@]+", fullmatch=True),
)
NUMBERS = st.one_of(
    st.integers(-3, 3), st.integers(), st.sampled_from([2**31 - 1, 2**31, 2**63 - 1, 2**63])
)
ANYTHING = st.one_of(
    *(TEXTS, NUMBERS, st.booleans(), st.none(), st.floats(), st.binary(max_size=3)),
    st.sampled_from(
        ["\0", "a\0@b.c", "\ud800", "x\udfff@b.c", "4x", "\u0661", "1_0", " 4", "9" * 400]
    ),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.builds(object),
)
USER = {"email": st.just("a@b.de"), "name": st.just("A")}


def accepts(side: psycopg.Connection[Any], table: str, values: Mapping[str, Any]) -> str | None:
    """None where the server takes a row of the values as they are; else the constraint, or so."""
    columns = ", ".join(values)
    places = ", ".join(["%s"] * len(values))
    return told_by(side, f"insert into {table} ({columns}) values ({places})", [*values.values()])


def told_by(side: psycopg.Connection[Any], statement: str, values: list[Any]) -> str | None:
    """None where the server does it; else the constraint, or so."""
    try:
        with side.transaction(force_rollback=True):
            side.execute(statement, values)
    except psycopg.Error as error:
        return error.diag.constraint_name or error.diag.column_name or str(error.sqlstate)
    except UnicodeEncodeError:
        return "no text"
    return None


def stored(db: rx.Database, queries: rx.Queries, record: type, changes: Mapping[str, Any]) -> Any:
    """What the table makes of changes, in a transaction that is rolled back."""
    with sandbox(db) as tx:
        parent = tx.run(queries.users.create(email="mother@b.de", name="P", age=None))
        known = {"age": None} if record is User else {"user_id": parent.id}
        namespace = queries.users if record is User else queries.user_preferences
        given = {**known, **changes}
        if record is UserPreferences:
            given["user_id"] = parent.id
        made = tx.run(namespace.create(**given))
        assert tx.run(namespace.get(id=made.id)) == made
        return made


@given(
    params=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["email", "name", "age", "active", "id", "x"], ANYTHING)
    )
)
@settings(max_examples=150)
def test_what_a_changeset_of_a_user_accepts_the_table_accepts_whatever_comes_in(
    params: dict[str, Any], verdict_db: rx.Database, queries: rx.Queries
) -> None:
    changeset = User.changeset(User, params)
    assert set(changeset.ignored) <= {"id", "x"}
    if changeset.is_valid:
        made = stored(verdict_db, queries, User, changeset.changes)
        assert {name: getattr(made, name) for name in changeset.changes} == changeset.changes


@given(
    params=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(["user_id", "theme", "notifications_enabled"], ANYTHING)
    )
)
@settings(max_examples=150)
def test_what_a_changeset_of_preferences_accepts_the_table_accepts_whatever_comes_in(
    params: dict[str, Any], verdict_db: rx.Database, queries: rx.Queries
) -> None:
    changeset = UserPreferences.changeset(UserPreferences, params)
    if changeset.is_valid:
        changes = {**changeset.changes}
        made = stored(verdict_db, queries, UserPreferences, changes)
        del changes["user_id"]
        assert {name: getattr(made, name) for name in changes} == changes


@given(
    values=st.fixed_dictionaries(
        {"email": TEXTS, "name": TEXTS},
        optional={"age": st.none() | NUMBERS, "active": st.none() | st.booleans()},
    )
)
@settings(max_examples=200)
def test_a_changeset_of_a_user_refuses_what_the_table_refuses_and_nothing_else(
    values: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    changeset = User.changeset(User, values)
    refusal = accepts(side, "users", values)
    assert changeset.is_valid == (refusal is None), (refusal, changeset.errors)
    field = {"users_age_positive": "age", "users_name_present": "name"}.get(refusal or "")
    if field is not None or (refusal or "").startswith("users_email"):
        assert (field or "email") in changeset.errors


@given(
    values=st.dictionaries(st.sampled_from(["email", "name"]), st.none() | TEXTS),
    more=st.fixed_dictionaries(
        {}, optional={"age": st.none() | NUMBERS, "active": st.none() | st.booleans()}
    ),
)
@settings(max_examples=100)
def test_a_changeset_of_a_user_who_exists_refuses_what_an_update_refuses_and_nothing_else(
    values: dict[str, Any], more: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    row = side.execute("select id, email, name, age, active, inserted_at, updated_at from users")
    user = User(*(row.fetchone() or ()))
    changeset = User.changeset(user, {**values, **more})
    assert {**values, **more}.items() >= changeset.changes.items() or not changeset.is_valid
    assignments = "".join(f", {column} = %s" for column in {**values, **more})
    statement = f"update users set updated_at = now(){assignments} where id = {user.id}"
    refusal = told_by(side, statement, [*values.values(), *more.values()])
    assert changeset.is_valid == (refusal is None), (refusal, changeset.errors)


@pytest.mark.parametrize("age", [-1, 0, 1, 2**31 - 1, 2**31, None])
def test_an_age_has_the_verdict_of_the_table(
    age: int | None, side: psycopg.Connection[Any]
) -> None:
    values = {"email": "a@b.de", "name": "A", "age": age}
    for given_age in (age, None if age is None else str(age)):
        changeset = User.changeset(User, {**values, "age": given_age})
        assert changeset.is_valid == (accepts(side, "users", values) is None)


@given(
    values=st.fixed_dictionaries(
        {"user_id": NUMBERS, "theme": st.none() | TEXTS},
        optional={"notifications_enabled": st.booleans()},
    )
)
@settings(max_examples=150)
def test_a_changeset_of_preferences_refuses_what_the_table_refuses_but_for_the_parent(
    values: dict[str, Any], side: psycopg.Connection[Any]
) -> None:
    changeset = UserPreferences.changeset(UserPreferences, values)
    row = side.execute("select id from users limit 1").fetchone()
    assert row is not None
    # Whether a parent exists is the database's to say, so it is given one wherever it could exist.
    fits = -(2**63) <= values["user_id"] < 2**63
    refusal = accepts(side, "user_preferences", {**values, "user_id": row[0]}) if fits else "22003"
    assert changeset.is_valid == (refusal is None), (refusal, changeset.errors)


FIFTEEN = [
    ("a@b.de", True),
    ("a@b.c.d", True),
    ("a@.b.c", True),
    ("ä@ö.ü", True),
    ("a@b", False),
    ("a.b.de", False),
    ("@b.de", False),
    ("a@@b.de", False),
    ("a@b.", False),
    ("a@.de", False),
    ("a b@c.de", False),
    ("a@b.de\n", False),
    ("\na@b.de", False),
    ("a@b.de\x1c", False),
    ("a\u2007@b.de", False),
]


@pytest.mark.parametrize(("text", "is_right"), FIFTEEN)
def test_a_format_has_the_verdict_of_the_check_constraint_on_fifteen_texts(
    text: str, is_right: bool, side: psycopg.Connection[Any]
) -> None:
    changeset = rx.Changeset(User).change(email=text)
    pattern = r"[^\s@]+@[^\s@]+\.[^\s@]+"
    assert changeset.validate_format("email", pattern).is_valid is is_right
    assert changeset.validate_format("email", rf"^{pattern}$").is_valid is is_right
    assert (accepts(side, "users", {"email": text, "name": "A"}) is None) is is_right


@given(text=TEXTS)
@settings(max_examples=200)
def test_a_format_has_the_verdict_of_the_check_constraint_on_every_text(
    text: str, side: psycopg.Connection[Any]
) -> None:
    changeset = rx.Changeset(User).cast({"email": text}, permit=["email"])
    changeset = changeset.validate_required("email")
    changeset = changeset.validate_format("email", re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+"))
    assert changeset.is_valid == (accepts(side, "users", {"email": text, "name": "A"}) is None)


@pytest.mark.parametrize(
    ("record", "params", "field", "message"),
    [
        (User, {"age": "4x"}, "age", "is invalid"),
        (User, {"age": 4.0}, "age", "is invalid"),
        (User, {"age": True}, "age", "is invalid"),
        (User, {"age": math.nan}, "age", "is invalid"),
        (User, {"age": 2**31}, "age", "must be less than or equal to 2147483647"),
        (User, {"age": 10**400}, "age", "must be less than or equal to 2147483647"),
        (User, {"age": 0}, "age", "must be greater than 0"),
        (User, {"active": "yes"}, "active", "is invalid"),
        (User, {"name": "a\0b"}, "name", "is invalid"),
        (User, {"name": "\ud800"}, "name", "is invalid"),
        (User, {"name": "n" * 256}, "name", "should be at most 255 character(s)"),
        (User, {"email": ["a@b.de"]}, "email", "is invalid"),
        (UserPreferences, {"theme": "t" * 256}, "theme", "should be at most 255 character(s)"),
        (UserPreferences, {"theme": 7}, "theme", "is invalid"),
        (
            UserPreferences,
            {"user_id": 2**64},
            "user_id",
            f"must be less than or equal to {2**63 - 1}",
        ),
        (UserPreferences, {"user_id": None}, "user_id", "can't be blank"),
    ],
)
def test_bad_input_is_the_error_of_its_field_and_never_a_half_written_row(
    record: Any,
    params: dict[str, Any],
    field: str,
    message: str,
    verdict_db: rx.Database,
    queries: rx.Queries,
) -> None:
    good = {"email": "a@b.de", "name": "A"} if record is User else {"user_id": 1}
    assert record.changeset(record, {**good, **params}).traverse_errors()[field] == [message]
    with pytest.raises(rx.InvalidChangesetError) as caught:
        rx.Repo(verdict_db, queries).create(record, {**good, **params})
    assert caught.value.messages == {field: [message]}
    assert verdict_db.run(queries.users.count()) == 0
