"""
Every error that raxol_sql defines, and the one tree they hang on.

    RaxolSQLError
    ├── LoadError              ValueError            everything wrong with a tree of SQL files
    ├── DefinitionError        ValueError            one thing wrong at one place of a SQL file
    ├── UnknownQueryError      AttributeError,       no query or namespace of that name
    │                          KeyError
    ├── ParameterError         TypeError             arguments that do not fit the query
    ├── KindError              TypeError             a verb that the kind of a query does not have
    ├── ConfigError            ValueError            configuration that is wrong or incomplete
    ├── ResultError                                  the answer has another shape than was promised
    │   ├── NoRowsError        LookupError
    │   ├── TooManyRowsError   LookupError
    │   └── RecordError        TypeError             columns that do not fit the record
    ├── TransactionError       RuntimeError          a block that did not do what it says
    ├── EmbeddedError          RuntimeError          the embedded server cannot be had
    └── MigrationError         RuntimeError
        ├── MigrationLockedError                     somebody else is migrating
        ├── MigrationFailedError                     a statement of a migration failed
        ├── MigrationChangedError                    an applied migration was edited
        ├── MigrationMissingError                    an applied migration has no file any more
        └── IrreversibleError                        a migration without a way back

The second column is the type that a caller might already be catching; each error is one.
Errors of the driver are not wrapped: ``except psycopg.errors.UniqueViolation`` works, and such
an error carries a note with the name of the query and the place where it is written.

All of them pickle. None of them holds the value of an argument.
"""

from __future__ import annotations

from collections.abc import Sequence


class RaxolSQLError(Exception):
    """What every error that raxol_sql itself defines derives from."""


class DefinitionError(RaxolSQLError, ValueError):
    """
    One thing wrong at one place of a SQL file.

    ``path``, ``line`` and ``column`` (both from 1, in characters) say where; ``excerpt`` is that
    line with a caret below; ``query`` names the query, if it has a name by then; ``remedy`` says
    what would be right.
    """

    def __init__(
        self,
        problem: str,
        remedy: str,
        path: str,
        line: int | None = None,
        column: int | None = None,
        excerpt: str = "",
        query: str | None = None,
    ) -> None:
        super().__init__(problem, remedy, path, line, column, excerpt, query)
        self.problem = problem
        self.remedy = remedy
        self.path = path
        self.line = line
        self.column = column
        self.excerpt = excerpt
        self.query = query

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.path, self.line, self.column) if part)
        named = f" (query {self.query})" if self.query else ""
        shown = "\n" + self.excerpt if self.excerpt else ""
        return f"{place}: {self.problem}{named}{shown}\n    {self.remedy}"


class LoadError(RaxolSQLError, ValueError):
    """All that is wrong with a tree of SQL files: ``errors``, in order of files and lines."""

    def __init__(self, errors: Sequence[DefinitionError]) -> None:
        super().__init__(tuple(errors))
        self.errors = tuple(errors)

    def __str__(self) -> str:
        count = len(self.errors)
        heading = "1 error in SQL files" if count == 1 else f"{count} errors in SQL files"
        return "\n".join([heading, *map(str, self.errors)])


class UnknownQueryError(RaxolSQLError, AttributeError, KeyError):
    """``name`` is no query and no namespace here; ``nearest`` are the names most like it."""

    def __init__(self, name: str, nearest: Sequence[str] = ()) -> None:
        super().__init__(name, tuple(nearest))
        self.name = name
        self.nearest = tuple(nearest)

    def __str__(self) -> str:
        return f"there is no query or namespace {self.name!r}{did_you_mean(self.nearest)}"


class ParameterError(RaxolSQLError, TypeError):
    """The arguments do not fit ``query``: ``problems`` says every way in which they do not."""

    def __init__(self, query: str, problems: Sequence[str]) -> None:
        super().__init__(query, tuple(problems))
        self.query = query
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"{self.query}: " + "; ".join(self.problems)


class KindError(RaxolSQLError, TypeError):
    """``query`` was handed to a verb that does not exist for its kind."""

    def __init__(self, query: str, problem: str) -> None:
        super().__init__(query, problem)
        self.query = query
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.query}: {self.problem}"


class ConfigError(RaxolSQLError, ValueError):
    """A configuration value that is wrong, unknown or missing; the message names its origin."""


class ResultError(RaxolSQLError):
    """
    The server's answer has another shape than the query's header promises.

    ``query`` is the query's name, ``location`` the ``path:line`` of its header.
    """

    def __init__(self, query: str, location: str, problem: str) -> None:
        super().__init__(query, location, problem)
        self.query = query
        self.location = location
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.query} ({self.location}): {self.problem}"


class NoRowsError(ResultError, LookupError):
    """A ``:one`` query gave no row."""


class TooManyRowsError(ResultError, LookupError):
    """A ``:one`` or ``:maybe`` query gave more than one row."""


class RecordError(ResultError, TypeError):
    """The columns of a query do not fit the fields of its record."""


class TransactionError(RaxolSQLError, RuntimeError):
    """A transaction was used or ended in another way than its block says."""


class EmbeddedError(RaxolSQLError, RuntimeError):
    """The embedded server cannot be found, started or stopped; the message says what to do."""


class MigrationError(RaxolSQLError, RuntimeError):
    """A migration cannot be applied, rolled back or trusted; the message says what to do."""


class MigrationLockedError(MigrationError):
    """Another process holds the migration lock."""


class MigrationFailedError(MigrationError):
    """A statement of a migration failed; the driver's error is the ``__cause__``."""


class MigrationChangedError(MigrationError):
    """A migration was edited after it had been applied."""


class MigrationMissingError(MigrationError):
    """A migration is applied, and its file is gone."""


class IrreversibleError(MigrationError):
    """A migration has no rollback steps, so rolling it back would only forget it."""


def did_you_mean(nearest: Sequence[str]) -> str:
    """The tail of a message that offers ``nearest``; empty where nothing is near."""
    if not nearest:
        return ""
    return "; did you mean " + " or ".join(repr(name) for name in nearest) + "?"
