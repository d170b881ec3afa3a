"""What to begin with where the query of a repo is not written: a text to paste and to edit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from raxol_sql.repo.verbs import Verb, name_of

_BY_THE_SERVER = ("inserted_at", "updated_at")


@attrs.frozen
class _Names:
    """The names that a starter is made of; ``fields`` are those of the record."""

    table: str
    fields: Sequence[str]
    key: Sequence[str]
    conditions: Sequence[str]

    @property
    def columns(self) -> str:
        return ", ".join(self.fields)

    @property
    def given(self) -> list[str]:
        """What an insert is told."""
        return [name for name in self.fields if name not in (*self.key, *_BY_THE_SERVER)]

    @property
    def insert(self) -> str:
        values = ", ".join(f":{name}" for name in self.given)
        return f"insert into {self.table} ({', '.join(self.given)})\nvalues ({values})\n"

    def where(self, names: Sequence[str]) -> str:
        return "where " + " and ".join(f"{name} = :{name}" for name in names) if names else ""

    def select(self, *more: str) -> str:
        clauses = [f"select {self.columns}", f"from {self.table}", self.where(self.conditions)]
        return "\n".join(clause for clause in (*clauses, *more) if clause)


def starter(
    record: type, table: str, verb: Verb, conditions: Sequence[str], key: Sequence[str]
) -> str:
    """
    A query for ``verb``, with the fields of ``record`` for columns.

    ``table`` is only the name of the namespace, and the columns are only what the record calls
    them: nobody has looked at the database.
    """
    fields = [field.alias or field.name for field in attrs.fields(record) if field.init]
    is_by_key = verb in (Verb.GET, Verb.UPDATE, Verb.DELETE) and not conditions
    names = _Names(table, fields, key, key if is_by_key else conditions)
    result = record.__name__ if verb.gives_records else "scalar"
    header = f"-- name: {name_of(verb, conditions)} :{verb.kinds[0].value} -> {result}"
    body = _BODIES[verb](names)
    # What only reads may be sent again when its connection is lost.
    mark = "-- @idempotent\n" if body.startswith("select ") else ""
    return f"{header}\n{mark}{body};\n"


def _first(names: _Names) -> str:
    return names.select(f"order by {', '.join(names.key)}", "limit 1")


def _last(names: _Names) -> str:
    return names.select(f"order by {', '.join(f'{name} desc' for name in names.key)}", "limit 1")


def _all(names: _Names) -> str:
    return names.select(f"order by {', '.join(names.key)}")


def _create(names: _Names) -> str:
    return f"{names.insert}returning {names.columns}"


def _upsert(names: _Names) -> str:
    changed = ", ".join(f"{name} = excluded.{name}" for name in names.given)
    on = ", ".join(names.key)
    return f"{names.insert}on conflict ({on}) do update set {changed}\nreturning {names.columns}"


def _insert_all(names: _Names) -> str:
    return f"{names.insert}on conflict do nothing\nreturning {names.columns}"


def _update(names: _Names) -> str:
    first, *others = [
        *(["updated_at = now()"] if "updated_at" in names.fields else []),
        *(f"{name} = :{name}" for name in names.given),
    ]
    if "updated_at" not in names.fields:
        first, others = f"{names.key[0]} = {names.key[0]}", [first, *others]
    blocks = "".join(f"\n    /*? {one.split()[0]} */ , {one} /*?*/" for one in others)
    where = names.where(names.key)
    return f"update {names.table}\nset\n    {first}{blocks}\n{where}\nreturning {names.columns}"


def _delete(names: _Names) -> str:
    return f"delete from {names.table}\n{names.where(names.key)}\nreturning {names.columns}"


def _exists(names: _Names) -> str:
    inside = "\n".join(
        clause for clause in (f"from {names.table}", names.where(names.conditions)) if clause
    )
    return f"select exists (select {inside})"


def _count(names: _Names) -> str:
    where = names.where(names.conditions)
    return f"select count(*) from {names.table}" + (f"\n{where}" if where else "")


_BODIES: dict[Verb, Callable[[_Names], str]] = {
    Verb.GET: _Names.select,
    Verb.CREATE: _create,
    Verb.UPSERT: _upsert,
    Verb.UPDATE: _update,
    Verb.DELETE: _delete,
    Verb.ALL: _all,
    Verb.FIRST: _first,
    Verb.LAST: _last,
    Verb.EXISTS: _exists,
    Verb.COUNT: _count,
    Verb.INSERT_ALL: _insert_all,
}
