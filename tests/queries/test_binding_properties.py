"""For any template, arguments either fit exactly or the error names exactly what does not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

import raxol_sql as rx
from raxol_sql.queries import Query
from raxol_sql.text import Source, parse

# A template of the test's own: a text, ("slot", name), ("block", names, parts) or
# ("choice", name, {key: parts}, default).
Part = str | tuple[Any, ...]

NEEDED, ASKED, SWITCHES = ["r", "s"], ["a", "b", "c"], ["on", "off"]

plain = st.just(" x ") | st.tuples(st.just("slot"), st.sampled_from([*NEEDED, *ASKED]))
texts = st.lists(plain, min_size=1, max_size=2)


def _choices(name: str) -> st.SearchStrategy[Part]:
    keys = st.dictionaries(st.sampled_from(["k", "l"]), texts, min_size=1)
    return st.tuples(st.just("choice"), st.just(name), keys, texts)


def _blocks(inside: st.SearchStrategy[list[Part]]) -> st.SearchStrategy[Part]:
    names = st.lists(st.sampled_from([*ASKED, *SWITCHES]), min_size=1, max_size=2, unique=True)
    return st.tuples(st.just("block"), names, inside)


flat = st.lists(plain, max_size=3)
nested = st.lists(plain | _blocks(flat), max_size=3)
top = st.just(" x ") | st.tuples(st.just("slot"), st.sampled_from(NEEDED)) | _blocks(nested)
templates = st.builds(
    lambda parts, choices: [*parts, *choices],
    st.lists(top, max_size=4),
    st.tuples()
    | st.tuples(_choices("o"))
    | st.tuples(_choices("o"), _blocks(_choices("p").map(lambda choice: [choice]))),
)
values: Mapping[str, st.SearchStrategy[object]] = {
    **{name: st.none() | st.integers() for name in [*NEEDED, *ASKED, "unknown"]},
    **{name: st.sampled_from([True, True, False, False, None]) for name in SWITCHES},
    **{name: st.sampled_from(["k", "l", "k", "l", "z", None]) for name in ("o", "p")},
}
arguments = st.fixed_dictionaries({}, optional=dict(values))


def _sql(parts: Collection[Part]) -> str:
    written = ""
    for part in parts:
        if isinstance(part, str):
            written += part
        elif part[0] == "slot":
            written += f" :{part[1]} "
        elif part[0] == "block":
            written += f" /*? {', '.join(part[1])} */ {_sql(part[2])} /*?*/ "
        else:
            keys = " | ".join(f"{key}: {_sql(inside)}" for key, inside in part[2].items())
            written += f" /*= {part[1]}: {keys} */ {_sql(part[3])} /*=*/ "
    return written


def _slots(parts: Collection[Part]) -> set[str]:
    found = set()
    for part in parts:
        if isinstance(part, str):
            continue
        if part[0] == "slot":
            found.add(part[1])
        elif part[0] == "block":
            found |= _slots(part[2])
        else:
            found |= _slots(part[3]).union(*(_slots(inside) for inside in part[2].values()))
    return found


def _kept(
    parts: Collection[Part], given: Collection[str], keys: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """What had a part in the statement: slots, the names of blocks, choices that were made."""
    for part in parts:
        if isinstance(part, str):
            continue
        if part[0] == "slot":
            yield "slot", part[1]
        elif part[0] == "block":
            if set(part[1]) <= set(given):
                yield from (("block", name) for name in part[1])
                yield from _kept(part[2], given, keys)
        elif part[1] in keys:
            yield "choice", part[1]
            yield from _kept(part[2][keys[part[1]]], given, keys)
        else:
            yield from _kept(part[3], given, keys)


def _names(parts: Collection[Part], sort: str) -> dict[str, Any]:
    """The names that blocks ask for, or the keys of choices by name."""
    found: dict[str, Any] = {}
    for part in parts:
        if isinstance(part, tuple) and part[0] == "block":
            if sort == "block":
                found |= dict.fromkeys(part[1])
            found |= _names(part[2], sort)
        elif isinstance(part, tuple) and part[0] == sort == "choice":
            found[part[1]] = part[2].keys()
    return found


@given(templates, arguments)
@example([("block", ["a"], [("slot", "b")])], {"b": 1})
@example([("block", ["on", "a"], [("slot", "a")])], {"on": True})
@example([("block", ["a"], [("choice", "o", {"k": [("slot", "a")]}, [" x "])])], {"a": 1})
def test_arguments_fit_or_exactly_the_difference_is_named(
    template: list[Part], arguments: dict[str, Any]
) -> None:
    source = Source("t.sql", f"-- name: q :many\nselect {_sql(template)}")
    definitions, errors = parse(source, ())
    assume(not errors)
    query = Query[Any](definitions[0])
    switches = _names(template, "block").keys() - _slots(template)
    choices = _names(template, "choice")
    wrong = {name for name in arguments.keys() & switches if not isinstance(arguments[name], bool)}
    bad_keys = {name for name in arguments.keys() & choices if arguments[name] not in choices[name]}
    given_names = {
        name
        for name, value in arguments.items()
        if name not in bad_keys and not (name in switches and value is False)
    }
    keys = {name: arguments[name] for name in given_names & choices.keys()}
    kept = set(_kept(template, given_names, keys))
    expected = wrong | bad_keys | ({name for _, name in kept} ^ given_names)

    if expected:
        with pytest.raises(rx.errors.ParameterError) as caught:
            query(**arguments)
        assert {problem.split()[0] for problem in caught.value.problems} == expected
    else:
        bound = query(**arguments)
        assert bound.statement.used == given_names
        assert bound.arguments == {name: arguments[name] for sort, name in kept if sort == "slot"}


@given(templates)
def test_a_template_is_called_as_its_signature_says(template: list[Part]) -> None:
    source = Source("t.sql", f"-- name: q :many\nselect {_sql(template)}")
    definitions, errors = parse(source, ())
    assume(not errors)
    query = Query[Any](definitions[0])

    for name in _names(template, "block").keys() | _names(template, "choice"):
        assert f"[{name}" in query.signature
