"""What cast takes, what it makes of it, and what it leaves out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raxol_sql.changesets import Changeset
from raxol_sql.demo.accounts import User
from tests.changesets.conftest import FIELDS, Item, cast, said


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


def test_a_value_that_the_record_has_is_no_change() -> None:
    item = Item("abc", 2, terms=True, tags=["x"])
    changeset = Changeset(item).cast(
        {"name": "abc", "size": "2", "terms": "true", "tags": ["y"]}, permit=FIELDS
    )
    assert changeset.changes == {"tags": ["y"]}
    assert changeset.change(tags=["x"]).changes == {}
    assert Changeset(item).change(size=True).changes == {"size": True}


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
