"""Tables and indexes that can be maintained, and how they are found by name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import attrs
from psycopg import sql

from raxol_sql.engine import Database
from raxol_sql.errors import did_you_mean
from raxol_sql.ops.own_queries import own_queries

_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^".\s]+))\s*(\.|$)')


@attrs.frozen
class Relation:
    """
    A table or a materialized view.

    ``schema`` and ``name`` are as they are, ``quoted`` is as SQL writes them, without the schema
    where the search path finds it. A partitioned one holds no rows itself; a partition is a part
    of one.
    """

    oid: int
    schema: str
    name: str
    quoted: str
    is_visible: bool
    is_partitioned: bool
    is_partition: bool

    @property
    def identifier(self) -> sql.Identifier:
        """The name with its schema, for a statement."""
        return sql.Identifier(self.schema, self.name)


@attrs.frozen
class Index(Relation):
    """
    An index.

    ``table_oid`` is the table that it belongs to, ``stored_oid`` the one that it is on: another,
    where it finds what that table stores out of line. An invalid one is used by no query and paid
    for by every write. One that is being built now is so concurrently, by another session.
    """

    table_oid: int
    stored_oid: int
    is_valid: bool
    is_exclusion: bool
    is_being_built: bool

    @property
    def is_leftover(self) -> bool:
        """Whether it looks like what a concurrent reindex that failed has left."""
        return (
            not (self.is_valid or self.is_being_built)
            and re.search(r"_cc(new|old)\d*$", self.name) is not None
        )


R = TypeVar("R", bound=Relation)


def tables(
    db: Database, names: Sequence[str] = (), *, leaves: bool = False
) -> tuple[Relation, ...]:
    """
    The tables of these names, or all that are not the server's own, in their order by name.

    A name is as SQL writes it, ``users``, ``billing.invoices``, ``"Odd"``, or as the table is
    called. Of all tables, those that are partitioned stand for their partitions; with ``leaves``
    the partitions stand in their place, which hold the rows.

    Raises LookupError for the names that there are none of, with the nearest names.
    """
    known: list[Relation] = db.run(_queries().tables())
    wanted = named(names, known, "table") if names else known
    return _parts(db, wanted, known) if leaves else _whole(wanted, everything=not names)


def indexes(
    db: Database, names: Sequence[str] = (), tables: Sequence[Relation] = ()
) -> tuple[Index, ...]:
    """
    The indexes of these names and of these tables, or all, each one that holds entries.

    A table's are also those of what it stores out of line. Leftovers of concurrent reindexes that
    failed are among those of tables, and of all.

    Raises LookupError as `tables` does.
    """
    known: list[Index] = db.run(_queries().indexes())
    if not names and not tables:
        return _parts(db, known, known)
    owners = {table.oid for table in tables}
    wanted = named(names, known, "index")
    return _parts(db, [*wanted, *(one for one in known if one.table_oid in owners)], known)


def named(names: Sequence[str], known: Sequence[R], kind: str) -> list[R]:
    """
    Those of ``known`` that have these names, each once, in the order of the names.

    Raises LookupError that tells of every name without any. Pure.
    """
    found = {name: _named(name, known) for name in names}
    unknown = [name for name, one in found.items() if one is None]
    if unknown:
        # Of two with one name, the one on the search path is meant.
        seen_last = sorted(known, key=lambda one: one.is_visible)
        spelt = {word: one.quoted for one in seen_last for word in (one.name, one.quoted)}
        raise LookupError("\n".join(_unknown(name, kind, spelt) for name in unknown))
    return list(dict.fromkeys(one for one in found.values() if one is not None))


def _unknown(name: str, kind: str, spelt: dict[str, str]) -> str:
    near = dict.fromkeys(spelt[word] for word in difflib.get_close_matches(name, spelt, n=4))
    return f"there is no {kind} {name!r}{did_you_mean([*near][:2])}"


def _named(name: str, known: Iterable[R]) -> R | None:
    wanted = [_parsed(name), (name,), tuple(name.split(".", 1))]
    by_name: dict[tuple[str, ...], R] = {}
    for one in known:
        by_name[one.schema, one.name] = one
        if one.is_visible:
            by_name[one.name,] = one
    return next((by_name[parts] for parts in wanted if parts in by_name), None)


def _parsed(name: str) -> tuple[str, ...]:
    """The parts of a name as SQL reads it, which takes what has no quotes in small letters."""
    parts, position, dot = [], 0, "."
    while dot and (match := _PART.match(name, position)):
        quoted, plain, dot = match.groups()
        parts.append(plain.lower() if quoted is None else quoted.replace('""', '"'))
        position = match.end()
    return tuple(parts) if position == len(name) and not dot else ()


def _whole(wanted: Iterable[R], *, everything: bool) -> tuple[R, ...]:
    return tuple(one for one in wanted if not (everything and one.is_partition))


def _parts(db: Database, wanted: Iterable[R], known: Iterable[R]) -> tuple[R, ...]:
    by_oid = {one.oid: one for one in known}
    found: dict[R, None] = {}
    for one in wanted:
        if one.is_partitioned:
            oids = db.run(_queries().leaves(oid=one.oid))
            # A partition may be a foreign table, which is maintained where it is.
            found |= dict.fromkeys(by_oid[oid] for oid in oids if oid in by_oid)
        else:
            found[one] = None
    # A partitioned table without a partition is its own and only leaf.
    return tuple(one for one in found if not one.is_partitioned)


def _queries() -> Any:
    return own_queries(__file__, "relations", Relation, Index)
