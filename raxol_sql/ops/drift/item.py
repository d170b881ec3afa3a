"""One object of a schema, as SQL that would make it."""

from __future__ import annotations

import enum

import attrs


class Kind(enum.StrEnum):
    """The sorts of objects, as people read them, in an order in which they can be made."""

    SCHEMA = "schema"
    EXTENSION = "extension"
    ENUM = "enum"
    COMPOSITE_TYPE = "composite type"
    ATTRIBUTE = "attribute"
    RANGE = "range"
    DOMAIN = "domain"
    DOMAIN_CONSTRAINT = "domain constraint"
    SEQUENCE = "sequence"
    FUNCTION = "function"
    PROCEDURE = "procedure"
    AGGREGATE = "aggregate"
    TABLE = "table"
    FOREIGN_TABLE = "foreign table"
    PARTITION = "partition"
    COLUMN = "column"
    CONSTRAINT = "constraint"
    SEQUENCE_OWNER = "sequence owner"
    INDEX = "index"
    STORAGE_OPTION = "storage option"
    REPLICA_IDENTITY = "replica identity"
    STATISTICS = "statistics"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    RULE = "rule"
    TRIGGER = "trigger"
    ROW_LEVEL_SECURITY = "row level security"
    FORCED_ROW_LEVEL_SECURITY = "row level security of the owner"
    POLICY = "policy"


# What has parts that are objects themselves.
HOLDERS = frozenset(
    {
        *(Kind.TABLE, Kind.FOREIGN_TABLE, Kind.PARTITION, Kind.VIEW, Kind.MATERIALIZED_VIEW),
        *(Kind.COMPOSITE_TYPE, Kind.DOMAIN),
    }
)
ORDER = {kind: place for place, kind in enumerate(Kind)}
_DOTTED = frozenset({Kind.ATTRIBUTE, Kind.COLUMN})
# Their names are those of no other object, whatever they are part of.
_BY_THEMSELVES = frozenset({Kind.INDEX, Kind.PARTITION, Kind.STATISTICS}) | {
    Kind.SEQUENCE,
    Kind.SEQUENCE_OWNER,
}


@attrs.frozen
class Item:
    """
    One object of a schema.

    ``own`` is its name as SQL writes it, with the schema where it is in one, ``parent`` that of
    the relation, type or domain that it is part of, or empty. ``definition`` says everything of it
    that is compared: a statement without its semicolon, or, of a column, an attribute or a
    constraint, what follows ``add``. ``parts`` are what can be altered of it by itself; which
    these are depends on the kind. ``place`` is where it comes among others of its kind, in the
    order in which they were made, and is not compared.
    """

    kind: Kind
    own: str
    parent: str
    definition: str
    parts: tuple[str, ...] = ()
    place: int = attrs.field(default=0, eq=False)

    @property
    def name(self) -> str:
        """Its whole name: no other of its kind has the same in one database."""
        if not self.parent or self.kind in _BY_THEMSELVES:
            return self.own
        if self.kind in _DOTTED:
            return f"{self.parent}.{self.own}"
        return self.parent if self.kind == self.own else f"{self.own} on {self.parent}"

    @property
    def key(self) -> tuple[int, str]:
        """What it is recognized by in another database; sorts as they can be made."""
        return ORDER[self.kind], self.name
