"""Matching of columns with the fields of a record and of its nested records."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from raxol_sql.errors import RecordError
from raxol_sql.records.fields import Field, fields_of

# Makes the error for a problem, with the query's name and place; keeps no reference to the query.
Fail = Callable[[str], RecordError]

_DEEPER = "and lies too deep for a join: load it with preload(), or as JSON"


@attrs.frozen(eq=False, repr=False)
class Match:
    """
    The columns that make one record.

    ``columns`` are their indexes by the names of the constructor's arguments, ``inner`` the nested
    records that are made of columns too, and ``direct`` the columns that fill one field each, with
    that field. With ``nullable``, columns that are all NULL make None. ``indexes`` are all its
    columns, those of nested records included, and ``sequence`` is the list or tuple of which it is
    an item, or None.
    """

    record: type
    nullable: bool
    columns: dict[str, int]
    inner: dict[str, Match]
    indexes: tuple[int, ...]
    direct: dict[str, tuple[str, Field]] = attrs.field(factory=dict)
    sequence: type | None = None


def match(
    fail: Fail,
    record: type,
    columns: dict[str, int],
    *,
    nullable: bool = False,
    no_list: str = "",
    inside: str = "",
) -> Match:
    """
    Match ``columns``, indexes by name, with the fields of a ``record``.

    A list of records takes columns too, unless ``no_list`` says why not. The columns of a nested
    record begin with ``inside``. Raises the error that ``fail`` makes for missing or extra
    columns.
    """
    fields = fields_of(record)
    direct: dict[str, int] = {}
    groups: dict[str, dict[str, int]] = {}
    for name, index in columns.items():
        outer, dot, rest = name.partition(".")
        if dot:
            groups.setdefault(outer, {})[rest] = index
        else:
            direct[name] = index
    _compare(fail, record, fields, [*direct, *groups])
    both = sorted(direct.keys() & groups.keys())
    if both:
        raise fail(f"{list_names(both)} is a column and a group of columns")
    inner = {
        name: _inside(fail, record, fields[name], group, no_list, f"{inside}{name}.")
        for name, group in groups.items()
    }
    filled = {name: (f"{inside}{name}", fields[name]) for name in direct}
    return Match(record, nullable, direct, inner, tuple(columns.values()), filled)


def _inside(
    fail: Fail, outer: type, field: Field, columns: dict[str, int], no_list: str, inside: str
) -> Match:
    if field.item is not None:
        if no_list:
            raise fail(f"{outer.__name__}.{field.name} is a list, {no_list}")
        item = match(fail, field.item, columns, no_list=_DEEPER, inside=inside)
        return attrs.evolve(item, sequence=field.sequence)
    if field.record is None:
        raise fail(
            f"the column {f'{field.name}.{next(iter(columns))}'!r} needs an attrs class in "
            f"{outer.__name__}.{field.name}, and its type is {field.annotation}",
        )
    return match(
        fail, field.record, columns, nullable=field.nullable, no_list=_DEEPER, inside=inside
    )


def _compare(fail: Fail, record: type, fields: dict[str, Field], columns: list[str]) -> None:
    problems = []
    extra = [name for name in columns if name not in fields]
    missing = [name for name, field in fields.items() if field.required and name not in columns]
    if extra:
        problems.append(f"columns without a field in {record.__name__}: {list_names(extra)}")
    if missing:
        problems.append(f"fields of {record.__name__} without a column: {list_names(missing)}")
    if problems:
        raise fail("; ".join(problems))


def list_names(names: Sequence[str]) -> str:
    """Return ``names`` as error messages show them."""
    return ", ".join(repr(name) for name in names)
