"""`raxol-sql vacuum`, `analyze` and `reindex`: maintenance, one table or index at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from raxol_sql.cli.operations.maintained import counted, estimated, maintain_all, sized
from raxol_sql.cli.output import Output, formatted, visible
from raxol_sql.cli.project import opened
from raxol_sql.config import Config
from raxol_sql.ops.maintenance import maintenance, relation
from raxol_sql.ops.maintenance.attendant import Attendant
from raxol_sql.ops.maintenance.relation import Index, Relation

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R", bound=Relation)

_LOCK_TIMEOUT = 5000
_milliseconds = click.IntRange(min=0, max=2**31 - 1)

_tables = click.option(
    "--table", "names", metavar="T", multiple=True, help="Only this table; may be given again."
)


def _limit(default: int | None, shown: str | bool) -> Callable[[F], F]:
    return click.option(
        "--lock-timeout",
        metavar="MS",
        type=_milliseconds,
        default=default,
        show_default=shown,
        help="Skip a table if its lock is not granted within MS (0 waits forever).",
    )


@click.command()
@_tables
@click.option("--full", is_flag=True, help="Rewrite each table, under an exclusive lock.")
@click.option("--yes", is_flag=True, help="Do not ask before --full.")
@click.option("--analyze", is_flag=True, help="Gather the planner's statistics too.")
@click.option("--parallel", metavar="N", type=click.IntRange(0, 1024), help="Workers for indexes.")
@_limit(_LOCK_TIMEOUT, True)
@formatted
def vacuum(
    names: tuple[str, ...],
    full: bool,
    yes: bool,
    analyze: bool,
    parallel: int | None,
    lock_timeout: int,
    output: Output,
) -> int:
    """
    Make the room of deleted rows usable again, table by table.

    Without --table for all tables of the database; a partitioned table is its partitions. --full
    gives the room back to the system: it takes an ACCESS EXCLUSIVE lock on each table, so that
    no session reads or writes it until then, and asks for the database's name, or for --yes. Exit 4
    if a table failed; the others are done all the same.

    \b
    Examples:
      raxol-sql vacuum
      raxol-sql vacuum --table users --analyze
      raxol-sql vacuum --table users --full --yes
    """
    if full and parallel is not None:
        raise click.UsageError("--full rewrites a table with all its indexes: leave out --parallel")
    config = Config.find()
    with opened(config, output) as db:
        tables = _found(lambda: relation.tables(db, names, leaves=True))
        if full:
            lock = (
                "takes an ACCESS EXCLUSIVE lock: no session can read or write the table until it "
                "ends"
            )
            _confirm(f"--full {lock}", config.database, yes, output)
        with Attendant(db, lock_timeout=lock_timeout) as attendant:
            return maintain_all(
                tables,
                lambda one, watch: maintenance.vacuum(
                    attendant, one, full=full, analyze=analyze, parallel=parallel, watch=watch
                ),
                counted,
                output,
            )


@click.command()
@_tables
@click.option(
    "--timeout",
    metavar="S",
    type=click.IntRange(0, 2**31 // 1000),
    default=120,
    show_default=True,
    help="Seconds that one table may take; 0 is for ever.",
)
@_limit(_LOCK_TIMEOUT, True)
@formatted
def analyze(names: tuple[str, ...], timeout: int, lock_timeout: int, output: Output) -> int:
    """
    Gather the planner's statistics, table by table.

    Without --table for all tables of the database; a partitioned table is done with its
    partitions. Exit 4 if a table failed; the others are done all the same.

    \b
    Examples:
      raxol-sql analyze
      raxol-sql analyze --table users --table billing.invoices
    """
    with opened(Config.find(), output) as db:
        tables = _found(lambda: relation.tables(db, names))
        with Attendant(db, lock_timeout=lock_timeout, timeout=timeout * 1000) as attendant:
            return maintain_all(
                tables,
                lambda one, watch: maintenance.analyze(attendant, one, watch=watch),
                estimated,
                output,
            )


@click.command()
@_tables
@click.option("--index", "indexes", metavar="I", multiple=True, help="Only this index.")
@click.option("--concurrently/--no-concurrently", default=True, show_default=True)
@click.option("--yes", is_flag=True, help="Do not ask before --no-concurrently.")
@_limit(None, "5000 with --no-concurrently, else 0")
@formatted
def reindex(
    names: tuple[str, ...],
    indexes: tuple[str, ...],
    concurrently: bool,
    yes: bool,
    lock_timeout: int | None,
    output: Output,
) -> int:
    """
    Rebuild indexes, one at a time.

    Without --table and --index all indexes of the database's tables. Concurrently, others read
    and write during that, and each index waits for transactions that have begun before; one that
    fails leaves an invalid index, which is named with the statement that removes it. Exit 4 if
    an index failed; the others are done all the same. Exit 1 if there is an invalid index that
    an earlier reindex has left.

    \b
    Examples:
      raxol-sql reindex --table users
      raxol-sql reindex --index users_email_index
      raxol-sql reindex --table users --no-concurrently --yes
    """
    config = Config.find()
    limit = (0 if concurrently else _LOCK_TIMEOUT) if lock_timeout is None else lock_timeout
    with opened(config, output) as db:
        # A whole partitioned table has only indexes that hold nothing.
        owners = _found(lambda: relation.tables(db, names, leaves=True)) if names else ()
        chosen: Sequence[Index] = ()
        if owners or indexes or not names:
            chosen = _found(lambda: relation.indexes(db, indexes, owners))
        if not concurrently:
            lock = "keeps a table from being written, and from being read by the index"
            _confirm(f"--no-concurrently {lock}", config.database, yes, output)
        with Attendant(db, lock_timeout=limit) as attendant:
            return maintain_all(
                chosen,
                lambda one, watch: maintenance.reindex(
                    attendant, one, concurrently=concurrently, watch=watch
                ),
                sized,
                output,
            )


def _found(find: Callable[[], tuple[R, ...]]) -> tuple[R, ...]:
    try:
        return find()
    except LookupError as error:
        raise click.UsageError(visible(str(error))) from error


def _confirm(what: str, database: str, yes: bool, output: Output) -> None:
    if yes:
        output.say(what)
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{what}: say so with --yes")
    typed = click.prompt(f"{what}. Type the name of the database to go on", default="", err=True)
    if typed != database:
        raise click.Abort
