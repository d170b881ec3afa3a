"""Invalid indexes: what a failed concurrent build leaves behind, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

import attrs

from raxol_sql.migrations.folder import MigrationFile, Statement
from raxol_sql.migrations.session import Session
from raxol_sql.text.lexer import TokenKind, tokenize
from raxol_sql.text.source import Problem

__all__ = ["ConcurrentIndex", "InvalidIndex", "concurrent_indexes", "invalid_indexes"]

# An index that is being built is invalid as well, and so is one on a partitioned table until all
# its parts are attached; neither is a leftover. One with a valid twin is needed by no query.
QUERY = """
select
    format('%I.%I', nspname, index.relname),
    format('%I.%I', nspname, parent.relname),
    index.relname,
    parent.relname,
    exists (
        select from pg_index as twin
        where twin.indrelid = pg_index.indrelid
            and twin.indexrelid <> pg_index.indexrelid
            and twin.indisvalid
            and twin.indisunique = pg_index.indisunique
            and (twin.indkey::text, twin.indclass::text, twin.indcollation::text)
                = (pg_index.indkey::text, pg_index.indclass::text, pg_index.indcollation::text)
            and twin.indoption::text = pg_index.indoption::text
            and pg_get_expr(twin.indexprs, twin.indrelid)
                is not distinct from pg_get_expr(pg_index.indexprs, pg_index.indrelid)
            and pg_get_expr(twin.indpred, twin.indrelid)
                is not distinct from pg_get_expr(pg_index.indpred, pg_index.indrelid)
    )
from pg_index
join pg_class as index on index.oid = indexrelid
join pg_class as parent on parent.oid = indrelid
join pg_namespace on pg_namespace.oid = index.relnamespace
where not indisvalid
    and index.relkind = 'i'
    and indexrelid not in (
        select index_relid from pg_stat_progress_create_index where index_relid is not null
    )
order by 1
"""

# What `reindex concurrently` calls the new index while it builds, and the old one afterwards.
LEFT_BY_REINDEX = re.compile(r"_cc(?:new|old)\d*$")
# What the server calls an index that has no name in its statement.
GIVEN_NAME = re.compile(r"_idx\d*$")


@attrs.frozen
class InvalidIndex:
    """
    An index that no query uses and that every write still pays for.

    ``name`` and ``table`` carry their schema and are quoted where SQL needs it; ``own_name`` and
    ``own_table`` are without both. ``has_twin`` says that a valid index of the same definition is
    there. ``is_recorded`` says that the migration which makes it is recorded as applied, so that no
    `raxol-sql migrate` makes it again.
    """

    name: str
    table: str
    own_name: str = ""
    own_table: str = ""
    has_twin: bool = False
    is_recorded: bool = False

    @property
    def is_leftover(self) -> bool:
        """Whether another index does its work."""
        return self.has_twin or LEFT_BY_REINDEX.search(self.own_name) is not None

    @property
    def remedy(self) -> str:
        """The statement that removes it, or builds it again where nothing else would."""
        verb = "reindex" if self.is_recorded and not self.is_leftover else "drop"
        return f"{verb} index concurrently {self.name};"


@attrs.frozen
class ConcurrentIndex:
    """An index that a migration creates concurrently; ``name`` is empty if the server names it."""

    name: str
    table: str

    def may_be(self, index: InvalidIndex) -> bool:
        """Whether ``index`` can be what an earlier run of the statement left."""
        if index.own_table != self.table:
            return False
        if self.name:
            return index.own_name == self.name
        return GIVEN_NAME.search(index.own_name) is not None


def invalid_indexes(
    session: Session, files: Sequence[MigrationFile] = (), applied: Collection[str] = ()
) -> tuple[InvalidIndex, ...]:
    """
    Every invalid index of the database that is not being built now, by name.

    ``files`` and the ids of the ``applied`` ones among them say which migration makes it.
    """
    made = [
        (made, file.id in applied)
        for file in files
        if not file.transactional
        for made in concurrent_indexes(file.statements)
    ]
    found = []
    for row in session.execute(QUERY):
        index = InvalidIndex(*row)
        records = [is_applied for each, is_applied in made if each.may_be(index)]
        found.append(attrs.evolve(index, is_recorded=bool(records) and all(records)))
    return tuple(found)


def concurrent_indexes(statements: Sequence[Statement]) -> Iterator[ConcurrentIndex]:
    """The indexes that ``statements`` create concurrently."""
    for statement in statements:
        words = words_of(statement.text)
        if words[:1] != ["create"] or "concurrently" not in words[1:4] or "on" not in words:
            continue
        at, on = words.index("concurrently"), words.index("on")
        target = words[on + 2 :] if words[on + 1 : on + 2] == ["only"] else words[on + 1 :]
        name = words[at + 1 : on]
        if name[:3] == ["if", "not", "exists"]:
            name = name[3:]
        table = target[2] if target[1:2] == ["."] and len(target) > 2 else target[0]
        yield ConcurrentIndex(as_name(name[-1]) if name else "", as_name(table))


def words_of(text: str) -> list[str]:
    """The first words and names of a statement, words in lower case and names as they stand."""
    found: list[str] = []
    try:
        for token in tokenize(text, numbered=True):
            word = text[token.start : token.end]
            if token.is_comment:
                continue
            if token.kind not in (TokenKind.WORD, TokenKind.QUOTED) and word != ".":
                break
            found.append(word.lower() if token.kind is TokenKind.WORD else word)
    except Problem:
        # What cannot be read as SQL creates no index.
        return []
    return found


def as_name(word: str) -> str:
    """The name as the catalogue has it, which keeps 63 bytes."""
    name = word[1:-1].replace('""', '"') if word.startswith('"') else word
    return name.encode()[:63].decode(errors="ignore")
