"""
SQL files in, attrs records out: a SQL-first query layer for PostgreSQL, without an ORM.

    queries = load("sql", records=[User])
    with Database.open() as db:
        user = db.run(queries.users.get(id=7))

Here stand the names that most programs use. `raxol_sql.errors` has all errors and warnings,
`raxol_sql.failures` what classifies errors, `raxol_sql.telemetry` events and metrics,
`raxol_sql.changesets` and `raxol_sql.repo` the rest of changesets and repositories,
`raxol_sql.testing` what tests use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

try:
    import psycopg as _psycopg  # noqa: F401 (asked for here, so that the error names the extra)
except ModuleNotFoundError:
    raise
except ImportError as error:
    raise ImportError(
        "psycopg has found no libpq, PostgreSQL's client library. Install the system's libpq, or "
        'run: pip install "raxol_sql[binary]"',
        name=error.name,
    ) from error

from raxol_sql import errors, failures, telemetry
from raxol_sql.config import Config
from raxol_sql.engine import Database, Transaction
from raxol_sql.errors import (
    DeadlineExceededError,
    InvalidChangesetError,
    NoRowsError,
    OutcomeUnknownError,
    PoolExhaustedError,
    RaxolSQLError,
    StaleRecordError,
    TooManyRowsError,
)
from raxol_sql.failures import OutcomeToken, RetryPolicy
from raxol_sql.queries import BoundQuery, Queries, Query, load

if TYPE_CHECKING:
    from raxol_sql.changesets import Changeset
    from raxol_sql.engine.aio import AsyncDatabase, AsyncTransaction
    from raxol_sql.engine.batch.multi import Multi, StepFailure
    from raxol_sql.repo import AsyncRepo, Repo
else:
    # Imported when they are first used: many programs do without them.
    _LATER = {
        "Changeset": "raxol_sql.changesets",
        **dict.fromkeys(["AsyncDatabase", "AsyncTransaction"], "raxol_sql.engine.aio"),
        **dict.fromkeys(["Multi", "StepFailure"], "raxol_sql.engine.batch.multi"),
        **dict.fromkeys(["AsyncRepo", "Repo"], "raxol_sql.repo"),
    }

    def __getattr__(name):
        """Return one of the names of `_LATER`, from the module that defines it."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}{_hint(name)}")
        value = globals()[name] = getattr(import_module(_LATER[name]), name)
        return value

    def __dir__():
        """Return all names, with those that are imported later."""
        return sorted({*globals(), *__all__})


def _hint(name: str) -> str:
    """Return where a name is that is not here, for an error message."""
    if name.startswith("_"):
        return ""
    for home in ("errors", "failures", "telemetry", "changesets", "repo", "engine"):
        module: Any = import_module(f"{__name__}.{home}")
        if isinstance(getattr(module, name, None), type) or name in getattr(module, "__all__", ()):
            return f"; it is in {__name__}.{home}"
    return ""


__version__ = "0.1.0"

__all__ = [
    "AsyncDatabase",
    "AsyncRepo",
    "AsyncTransaction",
    "BoundQuery",
    "Changeset",
    "Config",
    "Database",
    "DeadlineExceededError",
    "InvalidChangesetError",
    "Multi",
    "NoRowsError",
    "OutcomeToken",
    "OutcomeUnknownError",
    "PoolExhaustedError",
    "Queries",
    "Query",
    "RaxolSQLError",
    "Repo",
    "RetryPolicy",
    "StaleRecordError",
    "StepFailure",
    "TooManyRowsError",
    "Transaction",
    "errors",
    "failures",
    "load",
    "telemetry",
]
