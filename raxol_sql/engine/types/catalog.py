"""The types in the catalogue of a database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import attrs
from psycopg.pq.abc import PGresult

# Types from here on are made by users; those below have one OID in every database.
FIRST_OF_USERS = 16384

# Given OIDs, and all types that those are made of. An array is known by its element, as a type may
# have an element and be no array, as point is. PostgreSQL 13 has no multiranges, nor the column.
CATALOGUE = b"""
with recursive wanted (oid) as (
    select unnest from pg_catalog.unnest($1::oid[])
    union
    select part.oid
    from wanted
    join pg_catalog.pg_type as t on t.oid = wanted.oid
    cross join lateral (
        select e.oid from pg_catalog.pg_type as e where e.oid = t.typelem and e.typarray = t.oid
        union all
        select t.typbasetype where t.typbasetype <> 0
        union all
        select a.atttypid from pg_catalog.pg_attribute as a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        union all
        select r.rngsubtype from pg_catalog.pg_range as r where r.rngtypid = t.oid
        union all
        select r.rngtypid from pg_catalog.pg_range as r
        where t.typtype = 'm'
            and (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
    ) as part (oid)
)
select pg_catalog.json_build_object(
    'oid', t.oid::bigint,
    'name', t.typname,
    'schema', n.nspname,
    'regtype', pg_catalog.format_type(t.oid, null),
    'kind', case when e.oid is null then t.typtype::text else 'a' end,
    'array_oid', t.typarray::bigint,
    'delimiter', t.typdelim,
    'part', case t.typtype
        when 'd' then t.typbasetype
        when 'r' then (select r.rngsubtype from pg_catalog.pg_range as r where r.rngtypid = t.oid)
        when 'm' then (
            select r.rngtypid from pg_catalog.pg_range as r
            where (pg_catalog.to_jsonb(r) ->> 'rngmultitypid')::oid = t.oid
        )
        else coalesce(e.oid, 0)
    end::bigint,
    'is_textual', coalesce(
        p.prosrc in ('textrecv', 'varcharrecv', 'bpcharrecv', 'namerecv', 'enum_recv'), false
    ),
    'labels', array(
        select l.enumlabel from pg_catalog.pg_enum as l
        where l.enumtypid = t.oid order by l.enumsortorder
    ),
    'fields', array(
        select pg_catalog.json_build_array(a.attname, a.atttypid::bigint)
        from pg_catalog.pg_attribute as a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    )
)::text
from wanted
join pg_catalog.pg_type as t on t.oid = wanted.oid
join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
left join pg_catalog.pg_type as e on e.oid = t.typelem and e.typarray = t.oid
left join pg_catalog.pg_proc as p on p.oid = t.typreceive
    and p.prolang = (select l.oid from pg_catalog.pg_language as l where l.lanname = 'internal')
"""
# The OIDs of the types with these names; each is NULL where there is none.
NAMED = b"""
select pg_catalog.json_build_array(name, pg_catalog.to_regtype(name)::oid::bigint)::text
from pg_catalog.unnest($1::text[]) as name
"""


def oid_array(oids: Iterable[int]) -> bytes:
    """Return the parameter of `CATALOGUE`."""
    return b"{" + ",".join(map(str, oids)).encode() + b"}"


def rows_of(result: PGresult) -> list[bytes]:
    """Return the rows of a result with one column."""
    return [result.get_value(row, 0) or b"" for row in range(result.ntuples)]


@attrs.frozen(eq=False, repr=False)
class PgType:
    """
    A type of a database.

    ``kind`` is PostgreSQL's letter: b for a base type, c composite, d domain, e enum, r range, m
    multirange, and a for an array. ``part`` is the OID of what it is made of: the element of an
    array, the base of a domain, the bounds of a range, the ranges of a multirange. ``is_textual``
    says that its binary form is its text. ``fields`` are the attributes of a composite, by name.
    """

    oid: int
    name: str
    schema: str
    regtype: str
    kind: str
    array_oid: int = 0
    delimiter: str = ","
    part: int = 0
    is_textual: bool = False
    labels: tuple[str, ...] = ()
    fields: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, row: bytes) -> Self:
        """Return the type that a row of `CATALOGUE` describes."""
        given: dict[str, Any] = json.loads(row)
        given["labels"] = tuple(given["labels"])
        given["fields"] = tuple((name, oid) for name, oid in given["fields"])
        return cls(**given)

    @property
    def parts(self) -> tuple[int, ...]:
        """Return the OIDs of the types that it consists of."""
        inner = tuple(oid for _, oid in self.fields)
        return (self.part, *inner) if self.part else inner


class TypeCatalog:
    """
    The types of one database, as far as they were asked about.

    All connections of a pool share one. A type that is dropped and created again has another OID,
    and is asked about like any that is new. ``classes`` are the Python classes that the program
    wants values of types to be, by the types' names; ``has_all_classes`` says that each of these
    types was there. Safe to use from any thread.
    """

    def __init__(self, classes: Mapping[str, type] | None = None) -> None:
        self.classes = dict(classes or {})
        self.has_all_classes = False
        self._types: dict[int, PgType | None] = {}

    def class_of(self, type: PgType) -> Any:
        """The class that the program wants for a type; a name with its schema is stronger."""
        for name in (f"{type.schema}.{type.name}", type.regtype, type.name):
            if name in self.classes:
                return self.classes[name]
        return None

    def unknown(self, oids: Iterable[int]) -> list[int]:
        """Return the types that must be queried."""
        return [oid for oid in oids if oid not in self._types]

    def learn(self, asked: Iterable[int], rows: Iterable[bytes]) -> None:
        """Record the rows of `CATALOGUE` for the OIDs that were ``asked`` about."""
        found = {one.oid: one for one in map(PgType.parse, rows)}
        # In one step each: another thread may read.
        self._types.update(found)
        for oid in asked:
            if oid not in found:
                self._types[oid] = None

    def forget(self, oid: int) -> None:
        """Has the database asked about a type once more, which was altered."""
        self._types.pop(oid, None)

    def get(self, oid: int) -> PgType | None:
        """Return the type with that OID, or None if the database has none."""
        return self._types.get(oid)

    def reachable(self, oids: Iterable[int]) -> Iterator[PgType]:
        """The types with those OIDs and all that they are made of, the parts before the whole."""
        seen: set[int] = set()

        def visit(oid: int) -> Iterator[PgType]:
            known = self._types.get(oid)
            if known is None or oid in seen:
                return
            seen.add(oid)
            for part in known.parts:
                yield from visit(part)
            yield known

        for oid in oids:
            yield from visit(oid)
