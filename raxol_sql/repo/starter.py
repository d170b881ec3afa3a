"""Starters: suggested texts for queries that a repo needs and that do not exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from raxol_sql.records.names import argument_name
from raxol_sql.repo.verbs import Action, name_of
from raxol_sql.text.identifier import quoted

_BY_THE_SERVER = ("inserted_at", "updated_at")


@attrs.frozen
class _Names:
    """The names in a starter; ``fields`` are those of the record."""

    table: str
    fields: Sequence[str]
    stamps: Sequence[str]
    key: Sequence[str]
    conditions: Sequence[str]

    @property
    def into(self) -> str:
        return quoted(self.table)

    @property
    def columns(self) -> str:
        return ", ".join(map(quoted, self.fields))

    @property
    def given(self) -> list[str]:
        """The columns that an insert takes as parameters."""
        return [name for name in self.fields if name not in (*self.key, *self.stamps)]

    @property
    def insert(self) -> str:
        # A table may have no default for its stamps, and now() is the usual one.
        values = {
            **{name: f":{name}" for name in self.given},
            **{name: "now()" for name in self.stamps if name not in self.key},
        }
        if not values:
            return f"insert into {self.into} default values\n"
        columns = ", ".join(map(quoted, values))
        return f"insert into {self.into} ({columns})\nvalues ({', '.join(values.values())})\n"

    @property
    def stamp(self) -> list[str]:
        """The assignments that every update makes."""
        is_stamped = "updated_at" in self.stamps and "updated_at" not in self.key
        return ["updated_at = now()"] if is_stamped else []

    def set_to_itself(self) -> str:
        """Return an assignment that changes nothing, for a SET clause that must not be empty."""
        name = quoted(self.key[0])
        return f"{name} = {name}"

    def where(self, names: Sequence[str]) -> str:
        return (
            "where " + " and ".join(f"{quoted(name)} = :{name}" for name in names) if names else ""
        )

    def order(self, ending: str = "") -> str:
        return "order by " + ", ".join(f"{quoted(name)}{ending}" for name in self.key)

    def select(self, *more: str) -> str:
        clauses = [f"select {self.columns}", f"from {self.into}", self.where(self.conditions)]
        return "\n".join(clause for clause in (*clauses, *more) if clause)


def starter(
    record: type, table: str, verb: Action, conditions: Sequence[str], key: Sequence[str]
) -> str:
    """
    Return the text of a query for ``verb``, with the fields of ``record`` as columns.

    ``table`` is the name of the namespace, and the columns have the names of the fields: the
    database is not asked.
    """
    known = [field for field in attrs.fields(record) if field.init]
    fields = [argument_name(field) for field in known]
    stamps = [field.name for field in known if _is_stamp(field)]
    is_by_key = verb in (Action.GET, Action.UPDATE, Action.DELETE) and not conditions
    names = _Names(table, fields, stamps, key, key if is_by_key else conditions)
    result = record.__name__ if verb.gives_records else "scalar"
    header = f"-- name: {name_of(verb, conditions)} :{verb.kinds[0].value} -> {result}"
    body = _BODIES[verb](names)
    # A query that only reads can be retried after its connection is lost.
    mark = "-- @idempotent\n" if body.startswith("select ") else ""
    return f"{header}\n{mark}{body};\n"


def _is_stamp(field: attrs.Attribute[object]) -> bool:
    """Return whether a field is a timestamp that the server sets."""
    kind = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", "")
    return field.name in _BY_THE_SERVER and "date" in (kind or "date")


def _first(names: _Names) -> str:
    return names.select(names.order(), "limit 1")


def _last(names: _Names) -> str:
    return names.select(names.order(" desc"), "limit 1")


def _all(names: _Names) -> str:
    return names.select(names.order())


def _create(names: _Names) -> str:
    return f"{names.insert}returning {names.columns}"


def _upsert(names: _Names) -> str:
    changes = [*names.stamp, *(f"{quoted(one)} = excluded.{quoted(one)}" for one in names.given)]
    changed = ", ".join(changes or [f"{quoted(names.key[0])} = excluded.{quoted(names.key[0])}"])
    on = ", ".join(map(quoted, names.key))
    return f"{names.insert}on conflict ({on}) do update set {changed}\nreturning {names.columns}"


def _insert_all(names: _Names) -> str:
    return f"{names.insert}on conflict do nothing\nreturning {names.columns}"


def _update(names: _Names) -> str:
    first = (names.stamp or [names.set_to_itself()])[0]
    blocks = "".join(f"\n    /*? {one} */ , {quoted(one)} = :{one} /*?*/" for one in names.given)
    where = names.where(names.key)
    return f"update {names.into}\nset\n    {first}{blocks}\n{where}\nreturning {names.columns}"


def _delete(names: _Names) -> str:
    return f"delete from {names.into}\n{names.where(names.key)}\nreturning {names.columns}"


def _exists(names: _Names) -> str:
    inside = "\n".join(
        clause for clause in (f"from {names.into}", names.where(names.conditions)) if clause
    )
    return f"select exists (select {inside})"


def _count(names: _Names) -> str:
    where = names.where(names.conditions)
    return f"select count(*) from {names.into}" + (f"\n{where}" if where else "")


_BODIES: dict[Action, Callable[[_Names], str]] = {
    Action.GET: _Names.select,
    Action.CREATE: _create,
    Action.UPSERT: _upsert,
    Action.UPDATE: _update,
    Action.DELETE: _delete,
    Action.ALL: _all,
    Action.FIRST: _first,
    Action.LAST: _last,
    Action.EXISTS: _exists,
    Action.COUNT: _count,
    Action.INSERT_ALL: _insert_all,
}
