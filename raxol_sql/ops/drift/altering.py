"""What alters an object in place. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from raxol_sql.ops.drift.item import Item, Kind

_IDENTITY = re.compile(r"generated (always|by default) as identity(?: \((.*)\))?$")
_OPTION = re.compile(r"(?:increment by|minvalue|maxvalue|start with|cache) \S+|(?:no )?cycle")
# What a new one has; of the bounds it is what the type has.
_DEFAULTS = ["increment by 1", "no minvalue", "no maxvalue", "start with 1", "cache 1", "no cycle"]
_UNLESS_IDENTITY = """\
do $once$
begin
    {statement};
exception when object_not_in_prerequisite_state then
    null;
end
$once$"""


def altered(expected: Item, found: Item) -> list[str] | None:
    """
    The statements, without semicolons, that make one object into another of its name.

    Empty where PostgreSQL has none, and None where it has to be re-created.
    """
    if expected.kind in _BY_ITS_DEFINITION:
        return [expected.definition]
    alter = _ALTERS.get(expected.kind)
    return None if alter is None else alter(expected, found)


def _column(expected: Item, found: Item) -> list[str]:
    kind, generation, default, null = expected.parts
    was_kind, was_generation, was_default, was_null = found.parts
    generated = _generation(generation, was_generation)
    if generated is None:
        return []
    is_retyped = kind != was_kind
    is_reset = default != was_default or is_retyped
    plain = kind.partition(" collate ")[0]
    steps = [
        # It may be no value of the new type.
        *(["drop default"] if was_default and (is_retyped or not default) else []),
        *([f"type {kind} using {expected.own}::{plain}"] if is_retyped else []),
        *(["set not null"] if null and not was_null else []),
        *generated,
        *(["drop not null"] if was_null and not null else []),
        *([f"set {default}"] if default and is_reset else []),
    ]
    column = f"alter table {expected.parent} alter column {expected.own}"
    return [
        (_UNLESS_IDENTITY if step.startswith("add ") else "{statement}").format(
            statement=f"{column} {step}"
        )
        for step in steps
    ]


def _generation(new: str, old: str) -> list[str] | None:
    """What makes a column generated in another way; None where nothing does."""
    if new == old:
        return []
    to, was = _IDENTITY.match(new), _IDENTITY.match(old)
    if to and was:
        options = _OPTION.findall(to[2]) if to[2] else _DEFAULTS
        changed = options if to[2] != was[2] else []
        return [" ".join([f"set generated {to[1]}", *(f"set {option}" for option in changed)])]
    if to and not old:
        return [f"add {new}"]
    if was and not new:
        return ["drop identity if exists"]
    if old.endswith(" stored") and not new:
        return ["drop expression if exists"]
    return None


def _attribute(expected: Item, found: Item) -> list[str]:
    return [f"alter type {expected.parent} alter attribute {expected.own} type {expected.parts[0]}"]


def _enum(expected: Item, found: Item) -> list[str]:
    """Add labels, each next to one that is there; none can be dropped."""
    if not set(expected.parts) - set(found.parts):
        return []
    return list(_labels(expected, found))


def _labels(expected: Item, found: Item) -> Iterator[str]:
    there = set(found.parts)
    for place, label in enumerate(expected.parts):
        if label in there:
            continue
        statement = f"alter type {expected.own} add value if not exists {label}"
        if place:
            statement += f" after {expected.parts[place - 1]}"
        elif following := [one for one in expected.parts if one in there]:
            statement += f" before {following[0]}"
        there.add(label)
        yield statement


def _domain(expected: Item, found: Item) -> list[str]:
    domain = f"alter domain {expected.own}"
    kind, default, null = expected.parts
    old_kind, old_default, old_null = found.parts
    if kind != old_kind:
        return []
    statements = []
    if default != old_default:
        statements.append(f"{domain} set {default}" if default else f"{domain} drop default")
    if null != old_null:
        statements.append(f"{domain} {'set' if null else 'drop'} not null")
    return statements


def _extension(expected: Item, found: Item) -> list[str]:
    return [f"alter extension {expected.own} set schema {expected.parts[0]}"]


def _function(expected: Item, found: Item) -> list[str]:
    if expected.parts == found.parts:
        return [expected.definition]
    return [f"drop {expected.kind} if exists {expected.own}", expected.definition]


def _view(expected: Item, found: Item) -> list[str] | None:
    if expected.parts[: len(found.parts)] != found.parts:
        return None
    return [expected.definition.replace("create view", "create or replace view", 1)]


def _sequence(expected: Item, found: Item) -> list[str]:
    return [re.sub("^create (unlogged )?sequence", "alter sequence", expected.definition)]


def _table(expected: Item, found: Item) -> list[str]:
    head, tail = expected.parts
    old_head, old_tail = found.parts
    if tail != old_tail or head.replace(" unlogged", "") != old_head.replace(" unlogged", ""):
        return []
    return [f"alter table {expected.own} set {'un' * (' unlogged' in head)}logged"]


def _never(expected: Item, found: Item) -> list[str]:
    return []


_BY_ITS_DEFINITION = frozenset(
    {
        *(Kind.AGGREGATE, Kind.SEQUENCE_OWNER, Kind.STORAGE_OPTION, Kind.REPLICA_IDENTITY),
        *(Kind.ROW_LEVEL_SECURITY, Kind.FORCED_ROW_LEVEL_SECURITY),
    }
)
_ALTERS: dict[Kind, Callable[[Item, Item], list[str] | None]] = {
    Kind.COLUMN: _column,
    Kind.ATTRIBUTE: _attribute,
    Kind.ENUM: _enum,
    Kind.DOMAIN: _domain,
    Kind.EXTENSION: _extension,
    Kind.FUNCTION: _function,
    Kind.PROCEDURE: _function,
    Kind.VIEW: _view,
    Kind.SEQUENCE: _sequence,
    Kind.TABLE: _table,
    Kind.FOREIGN_TABLE: _never,
    Kind.PARTITION: _never,
    Kind.RANGE: _never,
    Kind.COMPOSITE_TYPE: _never,
}
