"""
SQL files in, attrs records out: a SQL-first query layer for PostgreSQL, without an ORM.

    queries = load("sql", records=[User])
    with Database.open() as db:
        user = db.run(queries.users.get(id=7))
"""

from importlib import import_module
from typing import TYPE_CHECKING

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

from raxol_sql.config import Config
from raxol_sql.engine import (
    AsyncDatabase,
    AsyncTransaction,
    Database,
    LoneWritesWarning,
    Multi,
    QueryMonitor,
    RepeatedQueryWarning,
    StepFailure,
    Transaction,
)
from raxol_sql.errors import (
    CommittedResultLostError,
    ConfigError,
    DeadlineExceededError,
    DefinitionError,
    EmbeddedError,
    ForkedError,
    InvalidChangesetError,
    IrreversibleError,
    LoadError,
    MigrationChangedError,
    MigrationError,
    MigrationFailedError,
    MigrationLockedError,
    MigrationMissingError,
    MissingQueryError,
    NoRowsError,
    OutcomeUnknownError,
    ParameterError,
    PoolExhaustedError,
    QueryKindError,
    RaxolSQLError,
    RecordError,
    ResultError,
    StaleRecordError,
    TooManyRowsError,
    TransactionError,
    UnknownQueryError,
)
from raxol_sql.failures import (
    Category,
    Effect,
    Failure,
    OutcomeToken,
    Phase,
    RetryPolicy,
    Verdict,
    classify,
)
from raxol_sql.queries import BoundQuery, Queries, Query, load
from raxol_sql.telemetry import Health, Histogram, Metrics, PoolStatus, QueryEvent, QueryMetrics

if TYPE_CHECKING:
    from raxol_sql.changesets import Changeset, FieldError
    from raxol_sql.repo import AsyncRepo, Repo, RepoMulti
else:
    # Imported when they are first used: a program that only runs queries does without them.
    _LATER = {
        **dict.fromkeys(["Changeset", "FieldError"], "raxol_sql.changesets"),
        **dict.fromkeys(["AsyncRepo", "Repo", "RepoMulti"], "raxol_sql.repo"),
    }

    def __getattr__(name):
        """Return one of the names of `_LATER`, from the package that defines it."""
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_LATER[name]), name)
        return value

    def __dir__():
        """Return all names, with those that are imported later."""
        return sorted({*globals(), *__all__})


__version__ = "0.1.0"

__all__ = [
    "AsyncDatabase",
    "AsyncRepo",
    "AsyncTransaction",
    "BoundQuery",
    "Category",
    "Changeset",
    "CommittedResultLostError",
    "Config",
    "ConfigError",
    "Database",
    "DeadlineExceededError",
    "DefinitionError",
    "Effect",
    "EmbeddedError",
    "Failure",
    "FieldError",
    "ForkedError",
    "Health",
    "Histogram",
    "InvalidChangesetError",
    "IrreversibleError",
    "LoadError",
    "LoneWritesWarning",
    "Metrics",
    "MigrationChangedError",
    "MigrationError",
    "MigrationFailedError",
    "MigrationLockedError",
    "MigrationMissingError",
    "MissingQueryError",
    "Multi",
    "NoRowsError",
    "OutcomeToken",
    "OutcomeUnknownError",
    "ParameterError",
    "Phase",
    "PoolExhaustedError",
    "PoolStatus",
    "Queries",
    "Query",
    "QueryEvent",
    "QueryKindError",
    "QueryMetrics",
    "QueryMonitor",
    "RaxolSQLError",
    "RecordError",
    "RepeatedQueryWarning",
    "Repo",
    "RepoMulti",
    "ResultError",
    "RetryPolicy",
    "StaleRecordError",
    "StepFailure",
    "TooManyRowsError",
    "Transaction",
    "TransactionError",
    "UnknownQueryError",
    "Verdict",
    "classify",
    "load",
]
