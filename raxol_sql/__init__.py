"""
SQL files in, attrs records out: a SQL-first query layer for PostgreSQL, without an ORM.

    queries = load("sql", records=[User])
    with Database.open() as db:
        user = db.run(queries.users.get(id=7))
"""

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

from raxol_sql.changesets import Changeset, FieldError
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
from raxol_sql.repo import AsyncRepo, Repo, RepoMulti
from raxol_sql.telemetry import Health, Histogram, Metrics, PoolStatus, QueryEvent, QueryMetrics

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
