"""The SQL file of a table, with the names that a repo knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from raxol_sql.scaffold.names import (
    LOCK,
    asked,
    changed,
    has_lock,
    keys_of,
    offered,
    record_name,
    set_on_insert,
    stamped,
)
from raxol_sql.schema import Column, Table

# A query may become 256 statements, if nothing else is said.
_BLOCKS = 8


def queries_text(table: Table, name: str | None = None) -> str:
    """
    The queries of ``table`` for the record ``name``: every function of a repo, and ``by_..._s``.

    Raises ValueError for columns that cannot be parameters, and for such a ``name``.
    """
    record = record_name(table, name)
    blocks = [f"-- The queries of the table {table.name}.", *map(_marked, _queries(table, record))]
    return "\n\n".join(blocks) + "\n"


def _marked(query: str) -> str:
    """The query; one that only reads may be sent again when its connection is lost."""
    header, rest = query.split("\n", 1)
    is_read = any(line.startswith("select ") for line in rest.splitlines())
    return f"{header}\n-- @idempotent\n{rest}" if is_read else query


def _queries(table: Table, record: str) -> Iterator[str]:
    columns = ", ".join(map(_selected, table.columns))
    select = f"select {columns}\nfrom {table.quoted}"
    returning = f"returning {columns};"
    key = table.key
    by_key = _equal(table, key)
    if key:
        yield f"-- name: get :maybe -> {record}\n-- A row by its key.\n{select}\nwhere {by_key};"
    for unique in _uniques(table):
        named = "_and_".join(sorted(unique))
        yield (
            f"-- name: get_by_{named} :maybe -> {record}\n"
            f"-- A row by what only one of them has.\n{select}\nwhere {_equal(table, unique)};"
        )
    order = ", ".join(table.quoted_columns(key)) if key else "1"
    yield f"-- name: all :many -> {record}\n-- Every row, in order.\n{select}\norder by {order};"
    for verb, ending in (("first", ""), ("last", " desc")) if key else ():
        ordered = ", ".join(f"{one}{ending}" for one in table.quoted_columns(key))
        yield (
            f"-- name: {verb} :maybe -> {record}\n-- The {verb} row by its key.\n"
            f"{select}\norder by {ordered}\nlimit 1;"
        )
    if key:
        named = "_and_".join(sorted(key))
        yield (
            f"-- name: exists_by_{named} :one -> scalar\n-- Whether there is a row with this key.\n"
            f"select exists (select from {table.quoted} where {by_key});"
        )
    yield (
        "-- name: count :one -> scalar\n-- How many rows there are.\n"
        f"select count(*) from {table.quoted};"
    )
    for foreign in _single_foreign(table):
        quoted = table.column(foreign).quoted
        following = ", ".join(dict.fromkeys([quoted, *(table.quoted_columns(key) or ["1"])]))
        yield (
            f"-- name: by_{foreign}s :many -> {record}\n"
            f"-- The rows of many parents in one query.\n"
            f"{select}\nwhere {quoted} = any(:{foreign}s)\norder by {following};"
        )
    yield _create(table, record, returning)
    arbiter = arbiter_of(table)
    if arbiter:
        yield _upsert(table, record, arbiter, returning)
    if key:
        if changed(table):
            yield _update(table, record, by_key, returning)
        lock = f" and {LOCK} = :{LOCK}" if has_lock(table) else ""
        yield (
            f"-- name: delete :maybe -> {record}\n-- Removes a row; no row where it is gone.\n"
            f"delete from {table.quoted}\nwhere {by_key}{lock}\n{returning}"
        )


def _selected(column: Column) -> str:
    """A column of a select list; arrays of an enum come as a list only if they are of text."""
    if column.is_array and column.labels:
        return f"{column.quoted}::text[] as {column.quoted}"
    return column.quoted


def _create(table: Table, record: str, returning: str) -> str:
    left = _told(table)[2]
    header = (
        f"-- name: create :one -> {record}\n"
        "-- A new row; what is left out takes the default of the table.\n"
    )
    if left:
        header += f"-- Left to the table always: {', '.join(left)}.\n"
    return f"{header}{_insert(table)}\n{returning}"


def _upsert(table: Table, record: str, arbiter: Sequence[str], returning: str) -> str:
    required, optional, _ = _told(table)
    always = [] if "updated_at" in arbiter else _stamp(table)
    if has_lock(table):
        always.append(f"{LOCK} = {table.quoted}.{LOCK} + 1")
    always += [_excluded(table, one) for one in required if one not in arbiter]
    # One that is always there, so that the commas before the others fit.
    always = always or [_excluded(table, arbiter[0])]
    changes = ",".join(f"\n    {one}" for one in always)
    blocks = "".join(
        f"\n    /*? {one} */ , {_excluded(table, one)} /*?*/"
        for one in optional
        if one not in arbiter
    )
    return (
        f"-- name: upsert :one -> {record}\n"
        f"-- A new row, or what is given of the one with this {' and '.join(arbiter)}.\n"
        f"{_insert(table)}\n"
        f"on conflict ({', '.join(table.quoted_columns(tuple(arbiter)))}) do update\n"
        f"set{changes}{blocks}\n{returning}"
    )


def _stamp(table: Table) -> list[str]:
    """What a change sets in a table with updated_at."""
    return ["updated_at = now()"] if "updated_at" in stamped(table) else []


def _excluded(table: Table, name: str) -> str:
    quoted = table.column(name).quoted
    return f"{quoted} = excluded.{quoted}"


def arbiter_of(table: Table) -> tuple[str, ...]:
    """The key by which an insert finds the row to change: one that it is always told."""
    told = {*_told(table)[0]}
    changes = {*changed(table)}
    return next(
        (
            one.columns
            for one in keys_of(table)
            if {*one.columns} <= told
            and changes - {*one.columns}
            and not any(table.column(name).nullable for name in one.columns)
        ),
        (),
    )


def _insert(table: Table) -> str:
    required, optional, _ = _told(table)
    always = set_on_insert(table)
    if not required and not optional and not always:
        return f"insert into {table.quoted} default values"
    names: list[tuple[str, str, str | None]] = [
        (table.column(one).quoted, f":{one}", None) for one in required
    ]
    names += [(table.column(one).quoted, value, None) for one, value in always.items()]
    names += [(table.column(one).quoted, f":{one}", one) for one in optional]
    if not required and not always:
        beginning = _beginning(table, optional)
        # Without one the first of the others is asked for.
        names = beginning + names if beginning else [(*names[0][:2], None), *names[1:]]
    return (
        f"insert into {table.quoted} ({_listed([(n, b) for n, _, b in names])}\n)\n"
        f"values ({_listed([(v, b) for _, v, b in names])}\n)"
    )


def _told(table: Table) -> tuple[list[str], list[str], list[str]]:
    """
    What an insert is always told, what it may be told, and what it leaves to the table.

    Many blocks would make more statements than a query may become. Then what may be NULL anyway
    is told always, and of the rest only so many may be.
    """
    required, optional = asked(table), offered(table)
    if len(optional) > _BLOCKS:
        plain = [one for one in optional if not table.column(one).has_default]
        required += plain
        optional = [one for one in optional if one not in plain]
    return required, optional[:_BLOCKS], optional[_BLOCKS:]


def _beginning(table: Table, optional: Sequence[str]) -> list[tuple[str, str, str | None]]:
    """A column that is always there, so that the commas before the others fit."""
    left = [one.quoted for one in table.columns if one.has_default and one.name not in optional]
    return [(left[0], "default", None)] if left else []


def _listed(items: Sequence[tuple[str, str | None]]) -> str:
    lines = []
    for number, (text, block) in enumerate(items):
        comma = ", " if number else ""
        lines.append(f"/*? {block} */ {comma}{text} /*?*/" if block else f"{comma}{text}")
    return "".join(f"\n    {line}" for line in lines)


def _update(table: Table, record: str, by_key: str, returning: str) -> str:
    optional = changed(table)
    settings = [] if "updated_at" in table.key else _stamp(table)
    where = by_key
    if has_lock(table):
        settings.append(f"{LOCK} = {LOCK} + 1")
        where += f" and {LOCK} = :{LOCK}"
    if not settings:
        # One that is always there, so that the commas before the others fit. An identity that is
        # always generated cannot be set, not even to what it is.
        key = next((one for one in table.key if table.column(one).is_given), None)
        if key is None:
            first, *optional = optional
            settings.append(f"{table.column(first).quoted} = :{first}")
        else:
            settings.append(f"{table.column(key).quoted} = {table.column(key).quoted}")
    doc = "-- Changes what is given, and leaves the rest; no row where it is gone.\n"
    written = [f"{table.column(one).quoted} = :{one}" for one in optional]
    if len(optional) > _BLOCKS:
        doc = "-- Changes all of a row, as it is too wide for blocks; no row where it is gone.\n"
        blocks = "".join(f",\n    {one}" for one in written)
    else:
        blocks = "".join(
            f"\n    /*? {name} */ , {one} /*?*/"
            for name, one in zip(optional, written, strict=True)
        )
    return (
        f"-- name: update :maybe -> {record}\n{doc}"
        f"update {table.quoted}\nset\n    {', '.join(settings)}{blocks}\nwhere {where}\n{returning}"
    )


def _equal(table: Table, names: Sequence[str]) -> str:
    return " and ".join(f"{table.column(one).quoted} = :{one}" for one in names)


def _uniques(table: Table) -> list[tuple[str, ...]]:
    found = [one.columns for one in table.of_kind("unique")]
    nullable = {one.name for one in table.columns if one.nullable}
    distinct = dict.fromkeys(tuple(sorted(one)) for one in found if not nullable & {*one})
    return [one for one in distinct if one != tuple(sorted(table.key))]


def _single_foreign(table: Table) -> list[str]:
    found = [one.columns[0] for one in table.of_kind("foreign") if len(one.columns) == 1]
    return list(dict.fromkeys(found))
