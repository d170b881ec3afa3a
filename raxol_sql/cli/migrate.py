"""`raxol-sql migrate`, `rollback` and `migrations`."""

from __future__ import annotations

import click

from raxol_sql.cli.failure import FINDINGS
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import project_migrations, reachable
from raxol_sql.config import Config
from raxol_sql.migrations import Migrations, MigrationState


@click.command()
@click.option("--to", metavar="ID", help="The last migration to apply, by name or number.")
@click.option("--accept-changed", is_flag=True, help="Take edited migrations as they are now.")
@formatted
def migrate(to: str | None, accept_changed: bool, output: Output) -> None:
    """
    Apply every pending migration, in order.

    Each happens whole or not at all, unless its file says `-- transactional: false`.

    A lock keeps others from migrating meanwhile, and dies with this process. A migration that
    was edited after it had been applied stops it.

    \b
    Examples:
      raxol-sql migrate
      raxol-sql migrate --to 0002
    """
    config = Config.find()
    there = project_migrations(config, reachable(config, output))
    apply_all(there, output, to=to, accept_changed=accept_changed)


def apply_all(
    there: Migrations, output: Output, *, to: str | None = None, accept_changed: bool = False
) -> None:
    """Applies what is pending, saying each; `setup` and `demo` do it as well."""
    done = there.apply(
        to=to,
        accept_changed=accept_changed,
        on_applied=lambda id_, seconds: output.say(f"applied {id_} ({seconds * 1000:.0f} ms)"),
    )
    if output.format == "json":
        output.json([{"id": run.id, "seconds": run.seconds} for run in done])
    elif not done:
        output.say("nothing to apply")


@click.command()
@click.option("--steps", metavar="N", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--all", "everything", is_flag=True, help="Roll back every migration; needs --yes.")
@click.option("--yes", is_flag=True, help="Do not ask before rolling back everything.")
@formatted
def rollback(steps: int, everything: bool, yes: bool, output: Output) -> None:
    """
    Undo the migration that was applied last, or the last N.

    A migration without a .rollback.sql is irreversible, and refused before anything is touched.

    \b
    Examples:
      raxol-sql rollback
      raxol-sql rollback --steps 2
    """
    if everything and not yes:
        raise click.UsageError("--all undoes every migration: say so with --yes")
    config = Config.find()
    done = project_migrations(config, reachable(config, output)).rollback(
        None if everything else steps,
        on_rolled_back=lambda id_, seconds: output.say(
            f"rolled back {id_} ({seconds * 1000:.0f} ms)"
        ),
    )
    if output.format == "json":
        output.json([{"id": run.id, "seconds": run.seconds} for run in done])
    elif not done:
        output.say("nothing to roll back")


@click.command()
@formatted
def migrations(output: Output) -> None:
    """
    Show every migration and how it stands; exit 1 if something is wrong.

    Wrong is a migration that was edited after it had been applied, one whose file is gone, and an
    invalid index. A pending migration is not.
    """
    config = Config.find()
    status = project_migrations(config, reachable(config, output)).status()
    output.table(
        ["status", "id", "applied_at", "reversible", "rollback_edited"],
        [
            (
                entry.state.value,
                entry.id,
                entry.applied_at,
                entry.reversible,
                entry.rollback_edited,
            )
            for entry in status.migrations
        ],
    )
    for index in status.invalid_indexes:
        click.echo(f"invalid index on {index.table}: {index.remedy}", err=True)
    wrong = {MigrationState.EDITED, MigrationState.MISSING, MigrationState.INTERRUPTED}
    if status.invalid_indexes or any(entry.state in wrong for entry in status.migrations):
        raise click.exceptions.Exit(FINDINGS)
