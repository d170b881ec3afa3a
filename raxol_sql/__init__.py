"""
SQL files in, attrs records out: a SQL-first query layer for PostgreSQL, without an ORM.

    queries = load("sql", records=[User])
    with Database.open() as db:
        user = db.run(queries.users.get(id=7))
"""

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
    ConfigError,
    DefinitionError,
    EmbeddedError,
    IrreversibleError,
    KindError,
    LoadError,
    MigrationChangedError,
    MigrationError,
    MigrationFailedError,
    MigrationLockedError,
    MigrationMissingError,
    NoRowsError,
    ParameterError,
    RaxolSQLError,
    RecordError,
    ResultError,
    TooManyRowsError,
    TransactionError,
    UnknownQueryError,
)
from raxol_sql.queries import Bound, Queries, Query, load

__version__ = "0.1.0"

__all__ = [
    "AsyncDatabase",
    "AsyncTransaction",
    "Bound",
    "Config",
    "ConfigError",
    "Database",
    "DefinitionError",
    "EmbeddedError",
    "IrreversibleError",
    "KindError",
    "LoadError",
    "MigrationChangedError",
    "MigrationError",
    "MigrationFailedError",
    "MigrationLockedError",
    "MigrationMissingError",
    "Multi",
    "NoRowsError",
    "ParameterError",
    "Queries",
    "Query",
    "RaxolSQLError",
    "RecordError",
    "ResultError",
    "StepFailure",
    "TooManyRowsError",
    "Transaction",
    "TransactionError",
    "UnknownQueryError",
    "load",
]
