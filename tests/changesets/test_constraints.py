"""A constraint that the database says is violated is the error of its field."""

from __future__ import annotations

from typing import Any

import attrs
import psycopg
import pytest

from raxol_sql.changesets import Changeset
from raxol_sql.demo.accounts import User, UserPreferences


def refusal(
    side: psycopg.Connection[Any], statement: str, changeset: Changeset[Any]
) -> tuple[dict[str, list[str]] | None, str | None]:
    with pytest.raises(psycopg.Error) as caught, side.transaction(force_rollback=True):
        side.execute(statement)
    refused = changeset.with_violation(caught.value)
    return (None if refused is None else refused.traverse_errors()), changeset.note_for(
        caught.value
    )


PARENT = "insert into users (email, name) values ('parent@b.de', 'P')"
CHILD = "insert into user_preferences (user_id) values (999)"
OLD = "insert into users (email, name, age) values ('a@b.de', 'A', 0)"


def test_a_unique_constraint_is_found_by_its_usual_name_or_a_given_one(
    side: psycopg.Connection[Any],
) -> None:
    for changeset in (
        Changeset(User).unique_constraint("email"),
        Changeset(User).unique_constraint("email", name="users_email_index"),
        Changeset(User).unique_constraint("email", name="email_index", match="suffix"),
        Changeset(User).unique_constraint("email", name="users_em", match="prefix"),
    ):
        assert refusal(side, PARENT, changeset)[0] == {"email": ["has already been taken"]}


def test_a_missing_parent_a_check_and_a_null_are_errors_of_their_fields(
    side: psycopg.Connection[Any],
) -> None:
    preferences = Changeset(UserPreferences).foreign_key_constraint("user_id")
    assert refusal(side, CHILD, preferences)[0] == {"user_id": ["does not exist"]}
    user = Changeset(User).check_constraint("age", name="users_age_positive", message="is too low")
    assert refusal(side, OLD, user)[0] == {"age": ["is too low"]}
    null = "insert into users (email) values ('x@b.de')"
    assert refusal(side, null, Changeset(User))[0] == {"name": ["can't be blank"]}


def test_an_exclusion_and_rows_that_still_refer_to_it_are_errors_of_their_fields(
    side: psycopg.Connection[Any],
) -> None:
    @attrs.frozen
    class Stay:
        id: int
        during: Any

    with side.transaction(force_rollback=True):
        side.execute(
            "create table stays (id int primary key, during int4range, "
            "constraint stays_during_excl exclude using gist (during with &&))"
        )
        side.execute("create table guests (stay_id int references stays)")
        side.execute("insert into stays values (1, '[1,5)')")
        side.execute("insert into guests values (1)")
        stay = Changeset(Stay).exclusion_constraint("during", name="stays_during_excl")
        twice = "insert into stays values (2, '[2,3)')"
        assert refusal(side, twice, stay)[0] == {"during": ["violates an exclusion constraint"]}
        kept = Changeset(Stay).no_assoc_constraint("id", name="guests_stay_id_fkey")
        assert refusal(side, "delete from stays", kept)[0] == {
            "id": ["is still associated with this entry"]
        }


def test_a_constraint_that_is_not_declared_stays_the_driver_s_error_with_a_note_that_names_it(
    side: psycopg.Connection[Any],
) -> None:
    changeset = Changeset(User).unique_constraint("email")
    refused, note = refusal(side, OLD, changeset)
    assert refused is None
    assert note == (
        "the constraint users_age_positive of users is not declared in the changeset, so it is no "
        "error of a field; declared are: …_email_index or …_key or …_idx (email)"
    )
    refused, note = refusal(side, "select 1/0", changeset)
    assert (refused, note) == (None, None)
