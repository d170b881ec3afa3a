"""
SQL files in, attrs records out: a SQL-first query layer for PostgreSQL, without an ORM.

    queries = load("sql", records=[User])
    with Database.open() as db:
        user = db.run(queries.users.get(id=7))
"""

from raxol_sql.changesets import Changeset, FieldError
from raxol_sql.config import Config
from raxol_sql.engine import (
    AsyncDatabase,
    AsyncTransaction,
    Database,
    Multi,
    StepFailure,
    Transaction,
)
from raxol_sql.errors import (
    CommittedResultLost,
    ConfigError,
    DeadlineExceeded,
    DefinitionError,
    EmbeddedError,
    ForkedError,
    InvalidChangesetError,
    IrreversibleError,
    KindError,
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
    PoolExhausted,
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
from raxol_sql.queries import Bound, Queries, Query, load
from raxol_sql.repo import AsyncRepo, Repo, RepoMulti

__version__ = "0.1.0"

__all__ = [
    "AsyncDatabase",
    "AsyncRepo",
    "AsyncTransaction",
    "Bound",
    "Category",
    "Changeset",
    "CommittedResultLost",
    "Config",
    "ConfigError",
    "Database",
    "DeadlineExceeded",
    "DefinitionError",
    "Effect",
    "EmbeddedError",
    "Failure",
    "FieldError",
    "ForkedError",
    "InvalidChangesetError",
    "IrreversibleError",
    "KindError",
    "LoadError",
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
    "PoolExhausted",
    "Queries",
    "Query",
    "RaxolSQLError",
    "RecordError",
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
