"""The columns of a row, matched with the fields of a record and of the records inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from raxol_sql.errors import RecordError
from raxol_sql.records.fields import Field, fields_of

# Makes the error for a problem; it knows the query's name and place, and does not keep it alive.
Fail = Callable[[str], RecordError]

_DEEPER = "and lies too deep for a join: load it with attach(), or as JSON"


@attrs.frozen(eq=False, repr=False)
class Match:
    """
    The columns that make one record.

    ``columns`` are their indexes by the names that the record's constructor takes, ``inner`` the
    records that are made of columns too, and ``direct`` the names of the columns that each fill
    one field, each with that field. ``nullable`` says that NULLs only make None, ``indexes`` are
    all the columns in it and below, and ``sequence`` is the list or tuple that it is one item of,
    if it is.
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
    What ``columns``, which are indexes by name, make of a ``record``.

    A list of records in it takes columns too, unless ``no_list`` says why not. What lies
    ``inside`` of another record has its columns below that name. Raises what ``fail`` makes for
    columns that are missing or too many.
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
        raise fail(f"{listed(both)} is a column and a group of columns")
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
        problems.append(f"columns without a field in {record.__name__}: {listed(extra)}")
    if missing:
        problems.append(f"fields of {record.__name__} without a column: {listed(missing)}")
    if problems:
        raise fail("; ".join(problems))


def listed(names: Sequence[str]) -> str:
    """``names`` as an error shows them."""
    return ", ".join(repr(name) for name in names)
