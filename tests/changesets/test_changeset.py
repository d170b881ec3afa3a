"""Rows F5 to F8, F10 and F11: casting, validating, and what is said, with Ecto's words."""

from __future__ import annotations

import pickle
from datetime import date
from decimal import Decimal
from typing import Any

import attrs
import pytest
from attrs import validators
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.accounts import User
from raxol_sql.changesets import Changeset, FieldError


def _even(instance: Any, attribute: Any, value: int) -> None:
    if value % 2:
        raise ValueError(f"{value} is odd")


@attrs.frozen
class Item:
    """A record with most of what can be asked of one."""

    name: str = attrs.field(validator=validators.matches_re(r"[a-z]+"))
    size: int = attrs.field(default=1, validator=[validators.ge(1), validators.lt(10)])
    kind: str | None = attrs.field(
        default=None, validator=validators.optional(validators.in_(["a", "b"]))
    )
    tags: list[str] = attrs.field(factory=list, validator=validators.min_len(1))
    terms: bool = False
    odd: int | None = attrs.field(default=None)

    @odd.validator
    def _is_odd(self, attribute: Any, value: int | None) -> None:
        if value is not None and value % 2 == 0:
            raise ValueError(f"{value} is even")


FIELDS = ["name", "size", "kind", "tags", "terms", "odd"]


def cast(**params: Any) -> Changeset[Item]:
    return Changeset(Item).cast(params, permit=FIELDS)


def said(changeset: Changeset[Any]) -> dict[str, list[str]]:
    return changeset.traverse_errors()


def test_cast_takes_what_is_permitted_and_names_what_it_leaves_out() -> None:
    changeset = Changeset(User).cast({"name": "A", "id": 5, "_csrf": "x"}, permit=["name"])
    assert changeset.changes == {"name": "A"}
    assert changeset.ignored == ("id", "_csrf")


def test_cast_of_a_name_that_is_no_field_is_a_mistake_of_the_program() -> None:
    with pytest.raises(AttributeError, match="'nmae' is no field of User; did you mean 'name'"):
        Changeset(User).cast({}, permit=["nmae"])
    with pytest.raises(AttributeError, match="no field"):
        Changeset(User).validate_required("nmae")
    with pytest.raises(TypeError, match="a mapping"):
        Changeset(User).cast([1], permit=["name"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="attrs class"):
        Changeset(int)


def test_cast_makes_values_of_the_types_of_the_fields() -> None:
    changeset = cast(name="abc", size="4", terms="1", tags=["x"])
    assert changeset.changes == {"name": "abc", "size": 4, "terms": True, "tags": ["x"]}
    assert said(cast(size="4x", terms="yes", tags=[1])) == {
        "size": ["is invalid"],
        "terms": ["is invalid"],
        "tags": ["is invalid"],
    }


def test_empty_text_and_white_space_are_none_or_the_default_and_other_text_is_kept() -> None:
    assert cast(kind="", name=" \u3000", size=" ").changes == {
        "kind": None,
        "name": None,
        "size": 1,
    }
    changeset = Changeset(User).cast({"name": " A "}, permit=["name"])
    assert changeset.changes == {"name": " A "}


def test_a_default_applies_where_nothing_is_given_and_none_is_not_the_default() -> None:
    assert cast().get("size") == 1
    assert cast(size=None).get("size") is None
    assert cast().get("tags") is None
    assert cast().get("tags", "none") == "none"


def test_none_is_no_value_of_a_type_that_does_not_say_so() -> None:
    assert said(cast(kind=None, odd=None)) == {}
    assert said(cast(terms=None, name="")) == {
        "name": ["can't be blank"],
        "terms": ["can't be blank"],
    }


def test_what_required_says_is_said_whether_nothing_was_given_or_nothing_but_space() -> None:
    for changeset in (cast(), cast(name=" "), cast(name=None), Changeset(Item).change(name=None)):
        required = changeset.validate_required("name", message="is needed")
        assert said(required) == {"name": ["is needed"]}
        assert said(required.validate_required("name")) == {"name": ["is needed"]}


def test_a_value_that_the_record_has_is_no_change() -> None:
    item = Item("abc", 2, terms=True, tags=["x"])
    changeset = Changeset(item).cast(
        {"name": "abc", "size": "2", "terms": "true", "tags": ["y"]}, permit=FIELDS
    )
    assert changeset.changes == {"tags": ["y"]}
    assert changeset.change(tags=["x"]).changes == {}
    assert Changeset(item).change(size=True).changes == {"size": True}


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


def test_the_validators_of_the_record_count_by_themselves_and_are_said_in_the_same_words() -> None:
    assert said(cast(name="ABC", size=10, kind="c", tags=[], odd=2)) == {
        "name": ["has invalid format"],
        "size": ["must be less than 10"],
        "kind": ["is invalid"],
        "tags": ["should have at least 1 item(s)"],
        "odd": ["is invalid"],
    }
    assert cast(name="abc", size=9, kind="a", tags=["x"], odd=3).is_valid
    assert cast(kind=None, odd=None).is_valid


@attrs.frozen
class Stretch:
    """A record whose fields are compared, converted, and looked at together."""

    begins: date = attrs.field(validator=validators.ge(date(2000, 1, 1)))
    ends: date = attrs.field(validator=validators.instance_of(date))
    code: str = attrs.field(default="x", converter=str.lower, validator=validators.max_len(3))
    size: int = attrs.field(
        default=1, converter=int, validator=validators.not_(validators.in_([0]))
    )
    steps: int | None = attrs.field(
        default=None, validator=validators.optional(validators.or_(validators.in_([1]), _even))
    )

    @ends.validator
    def _in_order(self, attribute: Any, value: date) -> None:
        if value < self.begins:
            raise ValueError("it ends before it begins")


STRETCH = ["begins", "ends", "code", "size", "steps"]


def test_a_validator_that_compares_what_is_no_number_is_asked_as_it_is() -> None:
    def stretch(text: str) -> Changeset[Stretch]:
        return Changeset(Stretch).cast({"begins": text}, permit=STRETCH)

    assert said(stretch("1999-12-31")) == {"begins": ["is invalid"]}
    assert stretch("2000-01-01").changes == {"begins": date(2000, 1, 1)}


def test_a_validator_that_looks_at_other_fields_has_no_say_before_there_is_a_record() -> None:
    params = {"begins": "2024-01-02", "ends": "2024-01-01"}
    changeset = Changeset(Stretch).cast(params, permit=STRETCH)
    assert changeset.is_valid
    with pytest.raises(ValueError, match="ends before"):
        changeset.apply()
    assert said(Changeset(Stretch).change(ends="soon")) == {"ends": ["is invalid"]}


def test_a_converter_makes_the_value_of_its_field_and_what_it_makes_is_looked_at() -> None:
    changeset = Changeset(Stretch).cast({"code": "ABC", "size": "0x"}, permit=STRETCH)
    assert changeset.changes == {"code": "abc"}
    assert said(changeset) == {"size": ["is invalid"]}
    assert said(Changeset(Stretch).change(size="0", code="ABCD")) == {
        "size": ["is invalid"],
        "code": ["should be at most 3 character(s)"],
    }
    assert said(Changeset(Stretch).cast({"code": "a\0", "size": 1}, permit=STRETCH)) == {
        "code": ["is invalid"]
    }
    stretch = Stretch(date(2024, 1, 1), date(2024, 1, 2), "abc")
    assert Changeset(stretch).cast({"code": "ABC", "size": "1"}, permit=STRETCH).changes == {}


def test_what_is_stored_of_a_change_is_what_apply_gives() -> None:
    stretch = Stretch(date(2024, 1, 1), date(2024, 1, 2))
    changeset = Changeset(stretch).cast({"code": "ABC", "size": "7"}, permit=STRETCH)
    applied = changeset.apply()
    assert {name: getattr(applied, name) for name in changeset.changes} == changeset.changes


def test_validators_that_are_put_together_or_turned_around_count_too() -> None:
    for value, is_right in ((1, True), (2, True), (3, False), (None, True)):
        changeset = Changeset(Stretch).cast({"steps": value}, permit=STRETCH)
        assert changeset.is_valid is is_right


def test_a_change_that_is_deleted_is_none_any_more_and_a_wrong_name_is_a_mistake() -> None:
    changeset = cast(name="abc", size=4).delete_change("size").delete_change("odd")
    assert changeset.changes == {"name": "abc"}
    with pytest.raises(AttributeError, match="no field of Item; did you mean 'size'"):
        changeset.delete_change("sise")


def test_every_error_is_told_at_once_in_order() -> None:
    changeset = (
        cast(size=0, name="A")
        .validate_length("name", min=3)
        .validate_required("tags")
        .add_error("kind", "is not %{what}", what="known")
    )
    assert list(changeset.errors) == ["name", "size", "tags", "kind"]
    assert said(changeset)["name"] == ["has invalid format", "should be at least 3 character(s)"]
    assert said(changeset)["kind"] == ["is not known"]
    with pytest.raises(rx.InvalidChangesetError) as caught:
        changeset.check()
    assert caught.value.messages == said(changeset)
    assert str(caught.value).startswith("Item: name has invalid format; name should be at least 3")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.errors, str(again)) == (caught.value.errors, str(caught.value))


def test_traverse_errors_hands_out_the_template_and_its_details() -> None:
    changeset = cast(size=0)
    (error,) = changeset.errors["size"]
    assert (error.template, error.validation) == (
        "must be greater than or equal to %{number}",
        "number",
    )
    assert error.named == {"kind": "greater_than_or_equal_to", "number": 1}
    assert changeset.traverse_errors(lambda one: one.validation) == {"size": ["number"]}
    assert hash(error) == hash(pickle.loads(pickle.dumps(error)))


def test_a_changeset_is_a_value_that_shows_no_value() -> None:
    first = cast(name="abc")
    second = first.change(size=7).add_error("name", "x")
    assert (first.changes, first.errors) == ({"name": "abc"}, {})
    assert repr(first) == "<Changeset of Item: name changed, valid>"
    assert repr(second) == "<Changeset of Item: name, size changed, errors in name>"
    with pytest.raises(TypeError):
        first.changes["name"] = "x"  # type: ignore[index]
    with pytest.raises(TypeError):
        first.errors["name"] = ()  # type: ignore[index]


def test_apply_gives_the_record_with_its_changes() -> None:
    item = Item("abc", tags=["x"])
    assert Changeset(item).change(size=3).apply() == attrs.evolve(item, size=3)
    assert cast(name="abc", tags=["x"]).apply() == item
    with pytest.raises(rx.InvalidChangesetError):
        cast(name="ABC").apply()


def test_with_errors_takes_those_of_an_error_that_was_raised() -> None:
    with pytest.raises(rx.InvalidChangesetError) as caught:
        cast(name="A").check()
    assert said(cast(size=3).with_errors(caught.value.errors)) == {"name": ["has invalid format"]}


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3) | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@given(params=st.dictionaries(st.sampled_from([*FIELDS, "other"]), JUNK))
def test_no_input_makes_a_changeset_raise_and_what_it_accepts_is_a_record(
    params: dict[str, Any],
) -> None:
    changeset = Changeset(Item).cast(params, permit=FIELDS)
    if changeset.is_valid:
        given = {"name": "abc", "tags": ["x"], **changeset.changes}
        if all(given[name] is not None for name in ("name", "size", "tags") if name in given):
            Item(**given)
    else:
        assert set(changeset.errors) <= set(FIELDS)
