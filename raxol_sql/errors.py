"""
The errors and warnings that raxol_sql defines.

    RaxolSQLError
    ├── LoadError                ValueError       everything wrong with a tree of SQL files
    ├── DefinitionError          ValueError       one thing wrong at one place of a SQL file
    ├── UnknownQueryError        AttributeError,  no query or namespace of that name
    │   │                        KeyError
    │   └── MissingQueryError                     a query that a repo needs is not written
    ├── ParameterError           TypeError        arguments that do not fit the query
    ├── QueryKindError           TypeError        a method that the query's kind does not allow
    ├── InvalidChangesetError    ValueError       input that a record cannot take
    ├── ConfigError              ValueError       configuration that is wrong or incomplete
    ├── ResultError                               the result has not the shape that was declared
    │   ├── NoRowsError          LookupError
    │   ├── TooManyRowsError     LookupError
    │   ├── RecordError          TypeError        columns that do not fit the record
    │   └── StaleRecordError     LookupError      a record that was deleted or changed since
    ├── TransactionError         RuntimeError     a block that ended well, but was rolled back
    ├── DeadlineExceededError    QueryCanceled,   a call did not end in its time
    │                            TimeoutError
    ├── PoolExhaustedError       PoolTimeout      no connection became free in that time
    ├── OutcomeUnknownError      OperationalError the work may or may not have been committed
    ├── CommittedResultLostError RuntimeError     committed, but the result was lost
    ├── ForkedError              RuntimeError     used in a process forked after it was opened
    ├── EmbeddedError            RuntimeError     the embedded server cannot be used
    └── MigrationError           RuntimeError
        ├── MigrationLockedError                  another migrator holds the lock
        ├── MigrationFailedError                  a statement of a migration failed
        ├── MigrationChangedError                 an applied migration was edited
        ├── MigrationMissingError                 the file of an applied migration is missing
        └── IrreversibleError                     a migration without a rollback

The second column is the type that a caller might already be catching, of Python or of the
driver; each error is one. Errors of the driver are not wrapped:
``except psycopg.errors.UniqueViolation`` works, and such an error carries a note with the name of
the query and the place where it is written.

`RepeatedQueryWarning` and `LoneWritesWarning` are warnings of `Database.watch_queries`.

All errors pickle, with their notes and, where that pickles too, their ``__cause__``. None of them
holds the value of an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from psycopg import OperationalError
from psycopg.errors import QueryCanceled
from psycopg_pool import PoolTimeout

# Within a trial everything is taken as it is: each link of a chain of causes is tried once.
_is_trial: ContextVar[bool] = ContextVar("_is_trial", default=False)


def can_pickle(value: object) -> bool:
    """Whether another process could read ``value``, which may be anything."""
    import pickle  # which a program that pickles has imported, and another does without

    if _is_trial.get():
        return True
    before = _is_trial.set(True)
    try:
        pickle.loads(pickle.dumps(value))
    except Exception:
        return False
    finally:
        _is_trial.reset(before)
    return True


class RaxolSQLError(Exception):
    """What every error that raxol_sql itself defines derives from."""

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduced(*super().__reduce__())

    def _reduced(self, kind: Any, given: Any, state: Any = None) -> tuple[Any, ...]:
        """What pickle makes an error of, with its cause, which pickle alone would leave out."""
        cause = self.__cause__
        if cause is None or not can_pickle(cause):
            return kind, given, state
        return kind, given, {**(state or {}), "__cause__": cause}


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


class MissingQueryError(UnknownQueryError):
    """
    A query that a repo needs is not written: ``name``, in the file ``file``.

    ``starter`` is a text to paste there and to edit; ``reason`` says what it was needed for.
    """

    def __init__(
        self, name: str, reason: str, file: str, starter: str, nearest: Sequence[str] = ()
    ) -> None:
        super().__init__(name, nearest)
        self.args = (name, reason, file, starter, self.nearest)
        self.reason = reason
        self.file = file
        self.starter = starter

    def __str__(self) -> str:
        return (
            f"{self.reason}, and there is no query {self.name!r}{did_you_mean(self.nearest)}; "
            f"write it in {self.file}, beginning with\n\n{self.starter}"
        )


class ParameterError(RaxolSQLError, TypeError):
    """The arguments do not fit ``query``: ``problems`` says every way in which they do not."""

    def __init__(self, query: str, problems: Sequence[str]) -> None:
        super().__init__(query, tuple(problems))
        self.query = query
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"{self.query}: " + "; ".join(self.problems)


class QueryKindError(RaxolSQLError, TypeError):
    """``query`` was handed to a verb that does not exist for its kind."""

    def __init__(self, query: str, problem: str) -> None:
        super().__init__(query, problem)
        self.query = query
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.query}: {self.problem}"


class InvalidChangesetError(RaxolSQLError, ValueError):
    """
    Input that a record of the class named ``record`` cannot take; nothing of it is stored.

    ``errors`` are by field, in order, each a `FieldError`, whose text is the message. Where the
    database found it, by a constraint, the driver's error is the ``__cause__``.
    """

    def __init__(self, record: str, errors: Mapping[str, Sequence[Any]]) -> None:
        self.record = record
        self.errors = {field: tuple(found) for field, found in errors.items()}
        super().__init__(record, self.errors)

    @property
    def messages(self) -> dict[str, list[str]]:
        """The messages by field, as a form shows them."""
        return {field: [str(one) for one in found] for field, found in self.errors.items()}

    def __str__(self) -> str:
        told = (f"{field} {one}" for field, found in self.errors.items() for one in found)
        return f"{self.record}: {'; '.join(told)}"


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


class StaleRecordError(ResultError, LookupError):
    """A record was to be changed or deleted, and its row is gone or has another version."""


class TransactionError(RaxolSQLError, RuntimeError):
    """A transaction was used or ended in another way than its block says."""


class DeadlineExceededError(RaxolSQLError, QueryCanceled, TimeoutError):
    """
    A call did not end in the time that it had; either side may have noticed first.

    ``effect`` is the effect on the server. "none": nothing was sent. "rolled back": the server
    stopped, or the connection was closed before a COMMIT was sent. "committed": the work was done
    just then; inside a transaction its COMMIT still decides. "unknown": the connection was closed
    and no answer came, so the work may have happened, or may happen yet.

    Two limits race. ``ended_by`` is "server" where the server's ``statement_timeout`` ended the
    statement; its own error is the ``__cause__`` then, and the connection stays. It is "client"
    where the call's deadline passed first, as on a busy machine, and the client cancelled the
    statement.
    """

    def __init__(self, effect: str, ended_by: str = "client") -> None:
        super().__init__(effect, ended_by)
        self.effect = effect
        self.ended_by = ended_by

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError, which TimeoutError is, would make it of nothing.
        return self._reduced(type(self), (self.effect, self.ended_by), {**vars(self)})

    def __str__(self) -> str:
        limit = _LIMITS[self.ended_by]
        return f"call timed out ({limit}): {_EFFECTS[self.effect]}"


_LIMITS = {"server": "the server's statement_timeout", "client": "the client's deadline"}
_EFFECTS = {
    "none": "nothing was sent",
    "rolled back": "the work was rolled back",
    "committed": "the work committed, but the result did not arrive in time",
    "unknown": "no reply came and the connection was closed; the outcome is unknown",
}


class PoolExhaustedError(RaxolSQLError, PoolTimeout):
    """
    All connections of the pool are in use; the message lists their holders, and what would help.
    """


class OutcomeUnknownError(RaxolSQLError, OperationalError):
    """
    The connection was lost, and it cannot be said whether the work has happened.

    Do not retry before that is known. ``token`` is an `OutcomeToken` or None. A token can be kept,
    as a text too, and asked later, when the server is back: ``token.resolve(db)``. It is None where
    nothing is left on the server that could be asked for: after a statement outside of a
    transaction, with ``commit_check="none"``, and after a `Multi`, `run_many` or `run` with
    ``commit_check="xid"`` whose COMMIT travelled along, before the id had arrived. The message says
    which it is, and what would have left a token.
    """

    def __init__(self, problem: str, token: Any = None) -> None:
        super().__init__(problem, token)
        self.problem = problem
        self.token = token

    def __str__(self) -> str:
        return self.problem


class CommittedResultLostError(RaxolSQLError, RuntimeError):
    """
    The work has happened, and the rows that it would have given are lost with the connection.

    It is no `OperationalError`, so that code which retries those does not run this twice.
    """


class ForkedError(RaxolSQLError, RuntimeError):
    """A database was used in a process that was forked after it had been opened."""


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


class RepeatedQueryWarning(UserWarning):
    """A query ran many times in one block, where one query could have read all rows."""


class LoneWritesWarning(UserWarning):
    """Several statements of one block wrote rows, each outside of a transaction."""


def with_article(noun: str) -> str:
    """Return a noun, such as the name of a type, after "a" or "an"."""
    return f"an {noun}" if noun[:1].lower() in "aeio" else f"a {noun}"


def did_you_mean(nearest: Sequence[str]) -> str:
    """The tail of a message that offers ``nearest``; empty where nothing is near."""
    if not nearest:
        return ""
    return "; did you mean " + " or ".join(repr(name) for name in nearest) + "?"
