"""A registry is an immutable tree in which every name is free for a query."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.text import Source, parse

Tree = Callable[[dict[str, str | bytes]], Path]


def _registry(*names: str) -> rx.Queries:
    queries = []
    for name in names:
        *namespace, last = name.split(".")
        source = Source(f"{'/'.join(namespace)}.sql", f"-- name: {last} :one\nselect :x")
        queries += [Query[object](one) for one in parse(source, tuple(namespace))[0]]
    return rx.Queries(queries)


QUERIES = _registry("users.get", "users.search", "users.old.get", "billing.eu.vat.rate")


def test_attributes_and_names_lead_to_the_same_query() -> None:
    assert QUERIES.users.get is QUERIES["users.get"] is QUERIES["users"]["get"]
    assert QUERIES.billing.eu["vat.rate"] is QUERIES["billing.eu"].vat.rate
    assert QUERIES.users is QUERIES["users"]


def test_iterating_gives_the_full_names_in_order() -> None:
    names = ["billing.eu.vat.rate", "users.get", "users.old.get", "users.search"]

    assert list(QUERIES) == names
    assert [QUERIES[name].name for name in QUERIES] == names
    assert list(QUERIES.users) == ["get", "old.get", "search"]


def test_in_and_len_count_queries() -> None:
    assert len(QUERIES) == 4
    assert len(QUERIES.users) == 3
    assert "users.old.get" in QUERIES
    assert "users" not in QUERIES
    assert "users.nothing" not in QUERIES
    assert 7 not in QUERIES


def test_dir_lists_the_members_for_completion() -> None:
    assert {"users", "billing"} <= set(dir(QUERIES))
    assert {"get", "search", "old"} <= set(dir(QUERIES.users))


def test_the_repr_names_the_members() -> None:
    assert repr(QUERIES) == "<Queries of all namespaces: billing, users>"
    assert repr(QUERIES.users) == "<Queries of users: get, old, search>"
    assert repr(rx.Queries([])) == "<Queries of all namespaces: none>"


@pytest.mark.parametrize(
    "name", ["keys", "get", "items", "values", "name", "pop", "copy", "update", "index", "count"]
)
def test_no_method_stands_in_the_way_of_a_name(name: str) -> None:
    queries = _registry(f"users.{name}", f"{name}.get")

    assert getattr(queries.users, name).name == f"users.{name}"
    assert getattr(queries, name).get.name == f"{name}.get"


def test_a_registry_has_no_public_names_of_its_own() -> None:
    assert [name for name in dir(rx.Queries([])) if not name.startswith("_")] == []


def test_a_registry_does_not_change() -> None:
    with pytest.raises(AttributeError, match="'users' cannot be set"):
        QUERIES.users = 1
    with pytest.raises(AttributeError, match="'new' cannot be set"):
        QUERIES.users.new = 1
    with pytest.raises(AttributeError, match="'get' cannot be deleted"):
        del QUERIES.users.get
    with pytest.raises(TypeError):
        QUERIES["users"] = 1  # type: ignore[index]
    with pytest.raises(TypeError):
        del QUERIES["users"]  # type: ignore[attr-defined]
    assert len(QUERIES) == 4


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("user", ("users",)),
        ("users.gte", ("users.get",)),
        ("users.serch", ("users.search",)),
        ("rate", ("billing.eu.vat.rate",)),
        ("zzzz", ()),
        ("", ()),
        ("users.get.more", ("users.get",)),
    ],
)
def test_a_name_that_is_not_there_comes_with_the_nearest(
    name: str, nearest: tuple[str, ...]
) -> None:
    with pytest.raises(rx.errors.UnknownQueryError) as caught:
        QUERIES[name]

    assert caught.value.name == name
    assert caught.value.nearest[: len(nearest)] == nearest
    assert bool(caught.value.nearest) == bool(nearest)


def test_an_attribute_that_is_not_there_is_named_with_its_namespace() -> None:
    with pytest.raises(rx.errors.UnknownQueryError) as caught:
        _ = QUERIES.users.serch

    assert str(caught.value) == (
        "there is no query or namespace 'users.serch'; did you mean 'users.search'?"
    )


def test_a_missing_name_is_the_builtin_error_of_each_way_to_ask() -> None:
    assert not hasattr(QUERIES, "nothing")
    assert getattr(QUERIES.users, "nothing", None) is None
    with pytest.raises(KeyError):
        QUERIES["nothing"]
    with pytest.raises(AttributeError):
        _ = QUERIES.nothing


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_an_unknown_query(name: str) -> None:
    if name in QUERIES or name in ("users", "users.old", "billing", "billing.eu"):
        assert isinstance(QUERIES[name], (Query, rx.Queries))
    else:
        with pytest.raises(rx.errors.UnknownQueryError, match=re.escape(repr(name))):
            QUERIES[name]


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))],
    ids=["copy", "deepcopy", "pickle"],
)
@pytest.mark.parametrize("part", [QUERIES, QUERIES.billing.eu], ids=["root", "namespace"])
def test_a_registry_can_be_copied_and_pickled(
    copied: Callable[[rx.Queries], rx.Queries], part: rx.Queries
) -> None:
    other = copied(part)

    assert list(other) == list(part)
    assert repr(other) == repr(part)
    for name in part:
        assert other[name].definition == part[name].definition


def test_a_registry_that_is_not_made_yet_does_not_recurse() -> None:
    with pytest.raises(AttributeError):
        _ = rx.Queries.__new__(rx.Queries).users


def test_a_bound_query_pickles_with_its_values() -> None:
    bound = pickle.loads(pickle.dumps(QUERIES.users.get(x=[1, None])))

    assert (bound.query.name, bound.values) == ("users.get", ([1, None],))
