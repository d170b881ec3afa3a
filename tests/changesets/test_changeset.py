"""All errors at once, and a changeset that is a pure value."""

from __future__ import annotations

import pickle

import attrs
import pytest

import raxol_sql as rx
from raxol_sql.changesets import Changeset
from tests.changesets.conftest import Item, cast, said


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
