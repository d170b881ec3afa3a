"""
What makes a difference go away, as statements for a migration. Pure.

A migration runs on the database that has drifted and on those that have not, so whatever is there
already, or is not, is no error to these statements. They end without a semicolon.
"""

from __future__ import annotations

from collections.abc import Iterable

from raxol_sql.ops.drift.altering import altered
from raxol_sql.ops.drift.comparing import Difference
from raxol_sql.ops.drift.item import HOLDERS, Item, Kind

# How the definition of a kind says that it is no error if one is there.
_UNLESS_THERE = {
    Kind.SCHEMA: ("schema", "schema if not exists"),
    Kind.EXTENSION: ("extension", "extension if not exists"),
    Kind.SEQUENCE: ("sequence", "sequence if not exists"),
    Kind.TABLE: ("table", "table if not exists"),
    Kind.FOREIGN_TABLE: ("table", "table if not exists"),
    Kind.PARTITION: ("table", "table if not exists"),
    Kind.COLUMN: ("column", "column if not exists"),
    Kind.INDEX: ("INDEX", "INDEX IF NOT EXISTS"),
    Kind.STATISTICS: ("STATISTICS", "STATISTICS IF NOT EXISTS"),
    Kind.VIEW: ("create", "create or replace"),
    Kind.MATERIALIZED_VIEW: ("view", "view if not exists"),
    Kind.RULE: ("CREATE", "CREATE OR REPLACE"),
}
# What passes over the error that one is there already, where SQL has no words for it. Of a second
# primary key the server says that the table is not defined well.
_ERRORS = {
    Kind.ENUM: "duplicate_object",
    Kind.COMPOSITE_TYPE: "duplicate_object",
    Kind.RANGE: "duplicate_object",
    Kind.DOMAIN: "duplicate_object",
    Kind.DOMAIN_CONSTRAINT: "duplicate_object",
    Kind.ATTRIBUTE: "duplicate_column",
    Kind.CONSTRAINT: "duplicate_object or duplicate_table or invalid_table_definition",
}
_BLOCK = """\
do $once$
begin
    {statement};
exception when {errors} then
    null;
end
$once$"""
_ANEW = frozenset({Kind.TRIGGER, Kind.POLICY})
_ADD = {
    Kind.COLUMN: "alter table {parent} add column {definition}",
    Kind.CONSTRAINT: "alter table {parent} add {definition}",
    Kind.ATTRIBUTE: "alter type {parent} add attribute {definition}",
    Kind.DOMAIN_CONSTRAINT: "alter domain {parent} add {definition}",
}
_DROP = {
    Kind.ATTRIBUTE: "alter type {parent} drop attribute if exists {own}",
    Kind.COLUMN: "alter table {parent} drop column if exists {own}",
    Kind.CONSTRAINT: "alter table {parent} drop constraint if exists {own}",
    Kind.DOMAIN_CONSTRAINT: "alter domain {parent} drop constraint if exists {own}",
    Kind.ENUM: "drop type if exists {own}",
    Kind.COMPOSITE_TYPE: "drop type if exists {own}",
    Kind.RANGE: "drop type if exists {own}",
    Kind.PARTITION: "drop table if exists {own}",
    Kind.SEQUENCE_OWNER: "alter sequence {own} owned by none",
    Kind.STORAGE_OPTION: "alter table {parent} reset ({own})",
    Kind.REPLICA_IDENTITY: "alter table {parent} replica identity default",
    Kind.RULE: "drop rule if exists {own} on {parent}",
    Kind.TRIGGER: "drop trigger if exists {own} on {parent}",
    Kind.POLICY: "drop policy if exists {own} on {parent}",
    Kind.ROW_LEVEL_SECURITY: "alter table {parent} disable row level security",
    Kind.FORCED_ROW_LEVEL_SECURITY: "alter table {parent} no force row level security",
}
# What stands in the brackets of which statement.
_WITHIN = {
    Kind.TABLE: frozenset({Kind.COLUMN, Kind.CONSTRAINT}),
    Kind.FOREIGN_TABLE: frozenset({Kind.COLUMN, Kind.CONSTRAINT}),
    Kind.COMPOSITE_TYPE: frozenset({Kind.ATTRIBUTE}),
}


def make(item: Item, inside: Iterable[Item] = ()) -> list[str]:
    """What makes an object with its parts, unless it is there."""
    left = list(inside)
    parts = [part for part in left if part.parent == item.own]
    within = [part for part in parts if part.kind in _WITHIN.get(item.kind, ())]
    # A default may ask them for a number.
    before = [part for part in parts if part.kind is Kind.SEQUENCE]
    after = [part for part in parts if part not in within and part not in before]
    statements = [statement for part in before for statement in make(part)]
    statements += _guarded(item, _whole(item, within))
    for part in after:
        statements += make(part, left if part.kind in HOLDERS else ())
    return statements


def drop(item: Item) -> list[str]:
    """What removes an object, if it is there."""
    pattern = _DROP.get(item.kind, f"drop {item.kind} if exists {{own}}")
    return [pattern.format(own=item.own, parent=item.parent)]


def mend(difference: Difference) -> list[str]:
    """
    What makes what was found into what was expected.

    Empty where no statement does that and loses nothing: a label of an enum cannot be taken away.
    """
    expected, found = difference.expected, difference.found
    if expected is None:
        return drop(difference.item)
    if found is None:
        return make(expected, difference.inside)
    statements = altered(expected, found)
    if statements is not None:
        return statements
    return [*drop(found), _whole(expected, [])]


def script(statements: Iterable[str]) -> str:
    """Statements as the text of a file."""
    return "".join(f"{statement};\n" for statement in statements)


def _whole(item: Item, within: list[Item]) -> str:
    """The statement that makes an object, together with what stands in its brackets."""
    definitions = [part.definition for part in within]
    if item.kind is Kind.COMPOSITE_TYPE:
        return f"{item.definition} as ({', '.join(definitions)})"
    if item.kind in _WITHIN:
        head, tail = item.parts
        listed = "\n    {}\n".format(",\n    ".join(definitions)) if definitions else ""
        return f"{head} ({listed}) {tail}".rstrip()
    pattern = _ADD.get(item.kind)
    if pattern is None:
        return item.definition
    return pattern.format(parent=item.parent, definition=item.definition)


def _guarded(item: Item, statement: str) -> list[str]:
    if item.kind in _ANEW:
        return [*drop(item), statement]
    if item.kind in _ERRORS:
        return [_BLOCK.format(statement=statement, errors=_ERRORS[item.kind])]
    words, guarded = _UNLESS_THERE.get(item.kind, ("", ""))
    return [statement.replace(words, guarded, 1) if words else statement]
