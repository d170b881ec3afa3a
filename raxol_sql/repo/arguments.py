"""Arguments of queries from changesets and records."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from raxol_sql.changesets import Changeset, changeset_of
from raxol_sql.errors import ParameterError, did_you_mean
from raxol_sql.queries import Query
from raxol_sql.records import fields_of
from raxol_sql.records.names import argument_name

LOCK = "lock_version"


def changeset_for(query: Query[Any], of: Any, given: Any) -> Changeset[Any]:
    """
    Return the changeset that a caller passes, or make one of a mapping by the record's rules.

    A record without rules permits the fields that the query has parameters for. Raises
    `ParameterError` for a name that is no field of the record, and TypeError for anything that is
    neither a changeset of the record nor a mapping.
    """
    record = of if isinstance(of, type) else type(of)
    if isinstance(given, Changeset):
        if given.record is not record:
            raise TypeError(
                f"{query.name}: a changeset of {given.record.__name__} is none of {record.__name__}"
            )
        return given
    if not isinstance(given, Mapping):
        kind = type(given).__name__
        raise TypeError(f"{query.name}: give a mapping of fields, or a Changeset; not {kind}")
    fields = fields_of(record)
    problems = [
        f"{name!r} is no field of {record.__name__}"
        + did_you_mean(difflib.get_close_matches(str(name), fields, n=1))
        for name in given
        if name not in fields
    ]
    if problems:
        raise ParameterError(query.name, problems)
    permit = [name for name in query.definition.template.names if name in fields]
    return changeset_of(of, given, permit=permit)


def for_new(query: Query[Any], changeset: Changeset[Any]) -> dict[str, Any]:
    """
    Return the arguments of ``query`` for a new record: the changes, and defaults where required.

    A parameter in an optional block is passed only if the changeset has it, so that the table's
    default applies otherwise. Raises `InvalidChangesetError` for an invalid changeset, and for a
    required parameter without a value or a default, unless its field allows None.
    """
    fields = fields_of(changeset.record)
    arguments = dict(changeset.changes)
    needed = []
    for name in query.required:
        if name in arguments or name not in fields:
            continue
        arguments[name] = changeset.get(name)
        if arguments[name] is None and not fields[name].nullable:
            needed.append(name)
    changeset.validate_required(*needed).check()
    return arguments


def for_existing(
    query: Query[Any], changeset: Changeset[Any], key: Sequence[str]
) -> dict[str, Any]:
    """
    Return the arguments of ``query`` for a changed record.

    The ``key`` and the version are those of the record as it was read, and so are required
    parameters that have not changed. A parameter in an optional block is passed if it has changed.
    Raises `ParameterError` for a change of the key, or one that the query has no parameter for.
    """
    fixed = {*key, LOCK}
    arguments = {}
    for name in query.required:
        if name in changeset.changes and name not in fixed:
            arguments[name] = changeset.changes[name]
        elif name in values_of(changeset.data):
            arguments[name] = values_of(changeset.data)[name]
    problems = []
    for name, value in changeset.changes.items():
        if name in key:
            problems.append(f"{name} has changed, and is what the row is found by")
        elif name not in query.definition.template.names:
            problems.append(f"{name} has changed, and the query has no parameter for it")
        elif name not in fixed:
            arguments[name] = value
    if problems:
        raise ParameterError(query.name, problems)
    return arguments


def values_of(record: Any) -> dict[str, Any]:
    """Return the values of a record, by the names of its constructor's arguments."""
    return {
        argument_name(field): getattr(record, field.name)
        for field in attrs.fields(type(record))
        if field.init
    }


def check_conditions(name: str, conditions: Mapping[str, Any]) -> None:
    """Raise `ParameterError` for a condition that is None, which matches no row."""
    problems = [
        f"{condition} is None, and nothing equals NULL: write a query with `{condition} is null`"
        for condition, value in conditions.items()
        if value is None
    ]
    if problems:
        raise ParameterError(name, problems)
