"""The schema of a database, read from its catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from raxol_sql.engine import Database
from raxol_sql.ops.drift.item import Item, Kind
from raxol_sql.ops.own_queries import own_queries

_FILES = ("types", "relations", "programs")
# The tables in which migrations are booked are made by the migrator, and by no migration.
_BOOKED = frozenset(
    [
        "_yoyo_log",
        "_yoyo_migration",
        "_yoyo_version",
        "yoyo_lock",
        "_raxol_migration",
        "_raxol_lock",
    ]
)


def read_snapshot(db: Database) -> frozenset[Item]:
    """
    Every object of the schemas that are not the server's own, at one moment.

    It only reads, and needs no right but to connect. The tables in which migrations are booked are
    left out, and what extensions bring; owners, grants and comments are no part of it. Raises the
    driver's errors.
    """
    with db.transaction(isolation="repeatable read", read_only=True) as tx:
        tx.run(own_queries(__file__, "session").settle())
        files = [own_queries(__file__, file) for file in _FILES]
        rows = [row for file in files for name in file for row in tx.run(file[name]())]
    items = (_item(row, place) for place, row in enumerate(rows))
    return frozenset(item for item in items if not _is_booked(item))


@attrs.frozen
class Surroundings:
    """
    What decides, besides their texts, what migrations make of a database.

    ``settings`` are those of its sessions where it has its own settings: the path on which names
    are looked for, the time zone, how moments are read. ``home`` is the schema in which migrations
    are booked, None before there is one.
    """

    settings: Mapping[str, str] = attrs.field(factory=dict)
    home: str | None = None


def read_surroundings(db: Database) -> Surroundings:
    """What a database has around its migrations; it only reads."""
    queries = own_queries(__file__, "session")
    settings = {row.name: row.value for row in db.run(queries.settings())}
    return Surroundings(settings, db.run(queries.home()))


def _item(row: Any, place: int) -> Item:
    parts = tuple(part or "" for part in row.parts)
    return Item(Kind(row.kind), row.own, row.parent, row.definition, parts, place)


def _is_booked(item: Item) -> bool:
    relation = item.parent or (item.own if item.kind is Kind.TABLE else "")
    return relation.rpartition(".")[2] in _BOOKED
