"""The validators and converters that a record has of its own count as well."""

from __future__ import annotations

from datetime import date
from typing import Any

import attrs
import pytest
from attrs import validators

from raxol_sql.changesets import Changeset
from tests.changesets.conftest import cast, said


def _even(instance: Any, attribute: Any, value: int) -> None:
    if value % 2:
        raise ValueError(f"{value} is odd")


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
