"""`raxol-sql migrate`, `rollback` and `migrations`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import attrs
import click

from raxol_sql.cli.confirmation import confirm
from raxol_sql.cli.direct import Direct, with_direct_server
from raxol_sql.cli.failure import FINDINGS
from raxol_sql.cli.operations.drift import check_migrations
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import reachable
from raxol_sql.config import Config
from raxol_sql.migrations import Migrations, MigrationState
from raxol_sql.migrations.folder import read_folder
from raxol_sql.ops.diagnosis.migrating import of_migrations
from raxol_sql.ops.finding import Status

F = TypeVar("F", bound=Callable[..., Any])

_DRY_RUN = "Say what would be done, in order, and change nothing."


def _with_folder(command: F) -> F:
    """Gives a command the option ``--migrations``, which it receives as ``folder``."""
    option = click.option(
        "--migrations",
        "folder",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The folder of the migrations, in place of the one that raxol_sql.toml names.",
    )
    decorated: F = option(command)
    return decorated


def _on_database(config: Config, folder: Path | None, output: Output, direct: Direct) -> Migrations:
    """The migrations of ``folder``, or else the project's, on the configured database."""
    chosen = folder or config.project.migrations
    # Before a server is looked for, or started: what cannot be read needs none.
    read_folder(chosen)
    there = direct.migrations(reachable(config, output), config)
    return attrs.evolve(there, folder=chosen)


@click.command()
@click.option("--to", metavar="ID", help="The last migration to apply, by name or number.")
@click.option(
    "--steps", "--step", metavar="N", type=click.IntRange(min=1), help="Apply no more than N."
)
@click.option(
    "--accept",
    metavar="NAME",
    multiple=True,
    help="Record an applied migration as it is now: edited, renamed, or without its file. Can be"
    " repeated.",
)
@click.option("--accept-changed", is_flag=True, help="Accept every edited migration.")
@click.option("--ignore-missing", is_flag=True, help="Run an older release on a newer database.")
@click.option("--dry-run", is_flag=True, help=_DRY_RUN)
@with_direct_server
@_with_folder
@formatted
def migrate(
    to: str | None,
    steps: int | None,
    accept: tuple[str, ...],
    accept_changed: bool,
    ignore_missing: bool,
    dry_run: bool,
    direct: Direct,
    folder: Path | None,
    output: Output,
) -> None:
    """
    Apply every pending migration, in order.

    Each happens whole or not at all, unless its file says `-- transactional: false`.

    A lock keeps other migrators out, and ends with this process. A migration that was edited or
    renamed after it had been applied stops it, and so does one whose file is gone. With both --to
    and --steps, neither is passed. It needs the server itself, or a pooler in session mode.

    Programs that are running notice a changed column within a second; db.recycle() in each of
    them, or a restart of it, leaves nothing that was learnt before. Stop what writes to a column
    before it gets a type that holds less.

    \b
    Examples:
      raxol-sql migrate
      raxol-sql migrate --dry-run
      raxol-sql migrate --to 0002
      raxol-sql migrate --step 1
      raxol-sql migrate --accept 0003-add-phone
      raxol-sql migrate --direct-url postgresql://db.internal/shop
    """
    there = _on_database(direct.config(), folder, output, direct)
    chosen: dict[str, Any] = {
        "to": to,
        "steps": steps,
        "accept": accept,
        "accept_changed": accept_changed,
        "ignore_missing": ignore_missing,
    }
    if dry_run:
        _foretell("would apply", there.would_apply(**chosen), "nothing to apply", output)
    else:
        apply_all(there, output, **chosen)


def apply_all(there: Migrations, output: Output, **chosen: Any) -> int:
    """
    Apply what is pending, report each, and return how many; for `setup` and `demo` as well.

    ``chosen`` goes to `Migrations.apply`.
    """
    done = there.apply(
        **chosen,
        on_applied=lambda id_, seconds: output.say(f"applied {id_} ({seconds * 1000:.0f} ms)"),
    )
    if output.format == "json":
        output.json([{"id": run.id, "seconds": run.seconds} for run in done])
    elif not done:
        output.say("nothing to apply")
    return len(done)


def _foretell(would: str, ids: Iterable[str], nothing: str, output: Output) -> None:
    """Says what a dry run has found; in JSON, like what was done, with no times."""
    if output.format == "json":
        output.json([{"id": id_, "seconds": None} for id_ in ids])
        return
    for line in [f"{would} {id_}" for id_ in ids] or [nothing]:
        output.say(line)


@click.command()
@click.option(
    "--steps", "--step", metavar="N", type=click.IntRange(min=1), help="The last N.  [default: 1]"
)
@click.option(
    "--to",
    metavar="ID",
    help="The last migration to undo, by name or number: it is undone too, and so is all that was"
    " applied after it.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Every migration: asks for the name of the database, or for --yes.",
)
@click.option("--yes", is_flag=True, help="Do not ask before rolling back everything.")
@click.option("--dry-run", is_flag=True, help=_DRY_RUN)
@with_direct_server
@_with_folder
@formatted
def rollback(
    steps: int | None,
    to: str | None,
    everything: bool,
    yes: bool,
    dry_run: bool,
    direct: Direct,
    folder: Path | None,
    output: Output,
) -> None:
    """
    Undo the migration that was applied last, the last N, or all down to one.

    A migration without a .rollback.sql is irreversible, and refused before anything is touched.

    \b
    Examples:
      raxol-sql rollback
      raxol-sql rollback --steps 2
      raxol-sql rollback --to 0004 --dry-run    says that 0005 and 0004 would be undone
    """
    if (steps is not None) + (to is not None) + everything > 1:
        raise click.UsageError("--steps, --to and --all exclude each other: give one of them")
    config = direct.config()
    if everything and not yes and not dry_run:
        name = config.database
        confirm(
            f"Every migration of {name} will be undone, and its data lost.",
            name,
            refusal="--all undoes every migration: say so with --yes",
        )
    there = _on_database(config, folder, output, direct)
    last = None if everything else steps or 1
    if dry_run:
        ids = there.would_roll_back(last, to=to)
        _foretell("would roll back", ids, "nothing to roll back", output)
        return
    done = there.rollback(
        last,
        to=to,
        on_rolled_back=lambda id_, seconds: output.say(
            f"rolled back {id_} ({seconds * 1000:.0f} ms)"
        ),
    )
    if output.format == "json":
        output.json([{"id": run.id, "seconds": run.seconds} for run in done])
    elif not done:
        output.say("nothing to roll back")


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Try all of them, there and back and there, on a scratch database.",
)
@click.option(
    "--server-wide", is_flag=True, help="For --check: those that change roles and the like as well."
)
@with_direct_server
@_with_folder
@formatted
def migrations(
    check: bool, server_wide: bool, direct: Direct, folder: Path | None, output: Output
) -> None:
    """
    Show every migration and how it stands; exit 1 if something is wrong.

    Wrong is a migration that was edited or renamed after it had been applied, one whose file is
    gone, and an invalid index. A pending migration is not, nor an edit of comments alone.

    With --check each is applied to a scratch database on the same server, rolled back, and applied
    again: wrong is one whose rollback leaves something, takes too much, or fails. The configured
    database is not touched.

    \b
    Examples:
      raxol-sql migrations
      raxol-sql migrations --check
    """
    if server_wide and not check:
        raise click.UsageError("--server-wide is for --check")
    if check:
        code = check_migrations(direct, folder, server_wide, output)
        raise click.exceptions.Exit(code)
    config = direct.config()
    status = _on_database(config, folder, output, direct).status()
    columns = ["status", "id", "applied_at", "reversible", "rollback_edited"]
    if output.format == "json" or any(entry.note for entry in status.migrations):
        columns.append("note")
    output.table(
        columns,
        [
            (
                entry.state.value,
                entry.id,
                entry.applied_at,
                entry.reversible,
                entry.rollback_edited,
                entry.note,
            )[: len(columns)]
            for entry in status.migrations
        ],
    )
    for index in status.invalid_indexes:
        click.echo(f"invalid index on {index.table}: {index.remedy}", err=True)
    for finding in of_migrations(status.migrations, config.project.migrations):
        if finding.status is Status.FAIL or finding.check == "commented":
            click.echo(f"{finding.check}: {finding.message}\n  → {finding.remedy}", err=True)
    wrong = {
        *(MigrationState.EDITED, MigrationState.RENAMED),
        *(MigrationState.MISSING, MigrationState.INTERRUPTED),
    }
    if status.invalid_indexes or any(entry.state in wrong for entry in status.migrations):
        raise click.exceptions.Exit(FINDINGS)
