"""What is required and what is validated, and what is said, with Ecto's words."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from raxol_sql.changesets import Changeset, FieldError
from raxol_sql.demo.accounts import User
from tests.changesets.conftest import FIELDS, Item, cast, said


def test_what_required_says_is_said_whether_nothing_was_given_or_nothing_but_space() -> None:
    for changeset in (cast(), cast(name=" "), cast(name=None), Changeset(Item).change(name=None)):
        required = changeset.validate_required("name", message="is needed")
        assert said(required) == {"name": ["is needed"]}
        assert said(required.validate_required("name")) == {"name": ["is needed"]}


def test_required_looks_at_what_the_record_has_in_the_end() -> None:
    assert said(cast().validate_required("name", "size")) == {"name": ["can't be blank"]}
    item = Item("abc", tags=["x"])
    assert Changeset(item).validate_required("name").is_valid
    cleared = Changeset(item).cast({"name": "  "}, permit=FIELDS).validate_required("name")
    assert said(cleared) == {"name": ["can't be blank"]}


def test_required_is_not_said_of_a_field_that_is_wrong_already() -> None:
    assert said(cast(size="x", name=5).validate_required("size", "name")) == {
        "size": ["is invalid"],
        "name": ["is invalid"],
    }


@pytest.mark.parametrize(
    ("rules", "value", "message"),
    [
        ({"greater_than": 0}, 0, "must be greater than 0"),
        ({"less_than": 5}, 5, "must be less than 5"),
        ({"greater_than_or_equal_to": 1}, 0, "must be greater than or equal to 1"),
        ({"less_than_or_equal_to": 1}, 2, "must be less than or equal to 1"),
        ({"equal_to": 3}, 2, "must be equal to 3"),
        ({"not_equal_to": 3}, 3, "must be not equal to 3"),
        ({"greater_than": 0, "equal_to": 3}, -1, "must be greater than 0"),
    ],
)
def test_number_says_the_first_rule_that_fails(
    rules: dict[str, int], value: int, message: str
) -> None:
    changeset = Changeset(Item).change(terms=value)
    assert said(changeset.validate_number("terms", **rules)) == {"terms": [message]}
    assert changeset.validate_number("odd", **rules).is_valid  # nothing is given
    with pytest.raises(TypeError, match="greater_than"):
        changeset.validate_number("terms", bigger=1)


def test_number_refuses_what_is_none_and_passes_nothing_given() -> None:
    for value in (float("nan"), "text"):
        changeset = Changeset(Item).change(terms=value).validate_number("terms", greater_than=0)
        assert not changeset.is_valid
    assert Changeset(User).change(age=None).validate_number("age", greater_than=0).is_valid


@pytest.mark.parametrize("rule", ["greater_than", "less_than_or_equal_to", "not_equal_to"])
def test_nan_is_a_number_of_which_no_rule_holds(rule: str) -> None:
    for value in (float("nan"), Decimal("NaN"), Decimal("sNaN")):
        changeset = Changeset(Item).change(terms=value)
        rules: dict[str, Any] = {rule: 0}
        assert said(changeset.validate_number("terms", **rules)) == {"terms": ["is invalid"]}
    for huge in (10**400, float("inf"), Decimal("1e400")):
        wide = Changeset(Item).change(terms=huge).validate_number("terms", greater_than=0)
        assert wide.is_valid


@pytest.mark.parametrize(
    ("value", "rules", "message"),
    [
        ("ab", {"min": 3}, "should be at least 3 character(s)"),
        ("abcd", {"max": 3}, "should be at most 3 character(s)"),
        ("ab", {"exactly": 3}, "should be 3 character(s)"),
        ("ää", {"max": 3, "count": "bytes"}, "should be at most 3 byte(s)"),
        ("\ud800", {"max": 2, "count": "bytes"}, "should be at most 2 byte(s)"),
        ([1], {"min": 2}, "should have at least 2 item(s)"),
        ([1, 2], {"exactly": 1}, "should have 1 item(s)"),
    ],
)
def test_length_counts_characters_bytes_or_items(
    value: Any, rules: dict[str, Any], message: str
) -> None:
    assert said(Changeset(Item).change(terms=value).validate_length("terms", **rules)) == {
        "terms": [message]
    }


def test_format_inclusion_exclusion_and_subset_say_it_with_ecto_s_words() -> None:
    changeset = Changeset(Item).change(terms="x", odd=3)
    assert said(changeset.validate_format("terms", "y")) == {"terms": ["has invalid format"]}
    assert said(changeset.validate_inclusion("terms", {"y"})) == {"terms": ["is invalid"]}
    assert said(changeset.validate_exclusion("terms", {"x"})) == {"terms": ["is reserved"]}
    listed = Changeset(Item).change(tags=["a", "q"])
    assert said(listed.validate_subset("tags", ["a"])) == {"tags": ["has an invalid entry"]}
    assert listed.validate_subset("tags", ["a", "q"]).is_valid


def test_confirmation_and_acceptance_are_asked_of_what_was_given() -> None:
    one = Changeset(User).cast({"email": "a@b.de", "email_confirmation": "b"}, permit=["email"])
    assert said(one.validate_confirmation("email")) == {
        "email_confirmation": ["does not match confirmation"]
    }
    assert (
        Changeset(User)
        .cast({"email": "a@b.de"}, permit=["email"])
        .validate_confirmation("email")
        .is_valid
    )
    assert said(cast(terms="0").validate_acceptance("terms")) == {"terms": ["must be accepted"]}
    assert cast(terms="1").validate_acceptance("terms").is_valid
    with pytest.raises(AttributeError, match="no field"):
        one.validate_confirmation("emial")


def test_what_is_to_be_accepted_need_be_no_field_of_the_record() -> None:
    for params, messages in (
        ({}, {}),
        ({"rules": "true"}, {}),
        ({"rules": "false"}, {"rules": ["must be accepted"]}),
        ({"rules": [1]}, {"rules": ["must be accepted"]}),
    ):
        changeset = Changeset(User).cast(params, permit=["name"]).validate_acceptance("rules")
        assert said(changeset) == messages


def test_a_rule_of_the_program_says_one_thing_or_several_or_nothing() -> None:
    changeset = cast(size=4)
    assert said(changeset.validate_change("size", lambda n: f"{n} is too much")) == {
        "size": ["4 is too much"]
    }
    several = changeset.validate_change("size", lambda n: ["a", FieldError("b", "custom")])
    assert said(several) == {"size": ["a", "b"]}
    assert changeset.validate_change("size", lambda n: None).is_valid
    assert changeset.validate_change("odd", lambda n: "never asked").is_valid
