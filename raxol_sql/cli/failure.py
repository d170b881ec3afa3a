"""What the command line says of an error, and the exit code that it ends with."""

from __future__ import annotations

import io
import traceback

import click
import psycopg
import psycopg_pool

from raxol_sql.config.passwords import without_passwords
from raxol_sql.errors import (
    ConfigError,
    EmbeddedError,
    LoadError,
    MigrationError,
    MigrationFailedError,
    ParameterError,
    QueryKindError,
    ResultError,
    TransactionError,
    UnknownQueryError,
)
from raxol_sql.migrations import server_lost

FINDINGS, USAGE, UNREACHABLE, FAILED = 1, 2, 3, 4
MISTAKE = 1
# Their messages are about SQL, in which `password = ` is the name of a column.
_QUOTING = (LoadError, MigrationError, psycopg.Error)


class Finding(click.ClickException):
    """Something that is not as it should be, and that the user can put right."""

    exit_code = FINDINGS


def report(error: Exception) -> int:
    """
    Says on stderr what went wrong, in a line where that is enough; gives the exit code.

    Of a mistake, ours or one of the project's own code, that is the way that it took.
    """
    if isinstance(error, click.ClickException):
        # It repeats words that are not where they belong, whatever they are.
        shown = io.StringIO()
        error.show(shown)
        click.echo(without_passwords(shown.getvalue()), err=True, nl=False)
        return error.exit_code
    code = exit_code(error)
    if code is None:
        # Neither what it says nor a line that it passed through is known to be without a secret.
        passed = "".join(traceback.format_exception(error))
        click.echo(without_passwords(passed), err=True, nl=False)
        return MISTAKE
    told = message(error)
    click.echo(
        f"error: {told if isinstance(error, _QUOTING) else without_passwords(told)}", err=True
    )
    if isinstance(error, MigrationFailedError):
        for note in getattr(error, "__notes__", ()):
            click.echo(f"  {note}", err=True)
    return code


def exit_code(error: Exception) -> int | None:
    """The exit code for an error that can happen to a careful user; None for a mistake of ours."""
    if server_lost(error) or isinstance(error, (EmbeddedError, psycopg_pool.PoolTimeout)):
        return UNREACHABLE
    if isinstance(error, MigrationFailedError):
        return FAILED
    if isinstance(error, MigrationError):
        return FINDINGS
    if isinstance(error, (psycopg.Error, ResultError, TransactionError)):
        return FAILED
    usage = (
        *(ConfigError, QueryKindError, LoadError, ParameterError, UnknownQueryError),
        *(OSError, UnicodeError),
    )
    return USAGE if isinstance(error, usage) else None


def message(error: BaseException) -> str:
    """An error as text: the driver's in one line with its SQLSTATE and the query, ours as it is."""
    if not isinstance(error, psycopg.Error):
        return str(error)
    # The server's DETAIL may quote the values of a row.
    words = " ".join((error.diag.message_primary or str(error)).split())
    lost = server_lost(error)
    said = f"the connection to the server failed: {words}" if lost else words
    state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
    return f"{said}{state}{notes}"
