"""
Migrations: hand-written SQL files, applied by yoyo's rules and kept in yoyo's tables.

Added to yoyo are a lock that dies with its holder, the record of a migration in the transaction
of its statements, content hashes, and errors that say what failed and what remains. Bare ``yoyo``
and this package may be used on one database in any mix and order.

This package alone imports yoyo, and nothing of raxol_sql imports this package before it is needed.
"""

from __future__ import annotations

try:
    import yoyo as _yoyo  # noqa: F401 (asked for here, so that the error names the extra)
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'Migrations need yoyo-migrations. Run: pip install "raxol_sql[cli]"',
        name=error.name,
    ) from error

from raxol_sql.migrations.folder import new_migration
from raxol_sql.migrations.indexes import InvalidIndex
from raxol_sql.migrations.outcomes import new_outcomes
from raxol_sql.migrations.plan import MigrationState, MigrationStatus
from raxol_sql.migrations.pooler import check_direct_server
from raxol_sql.migrations.refusal import NO_WRITES
from raxol_sql.migrations.runner import MigrationRun, Migrations, MigrationsStatus
from raxol_sql.migrations.session import server_lost

__all__ = [
    "NO_WRITES",
    "InvalidIndex",
    "MigrationRun",
    "MigrationState",
    "MigrationStatus",
    "Migrations",
    "MigrationsStatus",
    "check_direct_server",
    "new_migration",
    "new_outcomes",
    "server_lost",
]
