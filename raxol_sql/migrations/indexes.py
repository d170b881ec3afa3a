"""Invalid indexes: what a failed concurrent build leaves behind, and how to be rid of it."""

from __future__ import annotations

import attrs

from raxol_sql.migrations.session import Session

__all__ = ["InvalidIndex", "invalid_indexes"]

# An index that is being built is invalid as well, and so is one on a partitioned table until all
# its parts are attached; neither is a leftover.
QUERY = """
select format('%I.%I', nspname, index.relname), format('%I.%I', nspname, parent.relname)
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


@attrs.frozen
class InvalidIndex:
    """
    An index that no query uses and that every write still pays for.

    ``name`` and ``table`` carry their schema and are quoted where SQL needs it.
    """

    name: str
    table: str

    @property
    def remedy(self) -> str:
        """The statement that removes it; then it can be built again."""
        return f"drop index concurrently {self.name};"


def invalid_indexes(session: Session) -> tuple[InvalidIndex, ...]:
    """Every invalid index of the database that is not being built now, by name."""
    return tuple(InvalidIndex(name, table) for name, table in session.execute(QUERY))
