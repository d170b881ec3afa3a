"""`raxol-sql setup`: the database and its tables, created or re-created."""

from __future__ import annotations

import click
import psycopg

from raxol_sql import databases
from raxol_sql.cli.confirmation import confirm
from raxol_sql.cli.direct import Direct, with_direct_server
from raxol_sql.cli.failure import FINDINGS, Finding, message
from raxol_sql.cli.migrate import apply_all
from raxol_sql.cli.operations.ping import check_reached, of_reached
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import Unreachable, reachable
from raxol_sql.config import Config, Conninfo
from raxol_sql.errors import MigrationChangedError, MigrationMissingError
from raxol_sql.migrations import NO_WRITES
from raxol_sql.migrations.folder import read_folder
from raxol_sql.ops.finding import Status
from raxol_sql.ops.network.reaching import reach

MAINTENANCE = "postgres"


@click.command()
@click.option("--reset", is_flag=True, help="Drop the database first, with everything in it.")
@click.option("--yes", is_flag=True, help="Do not ask before dropping.")
@click.option("--force", is_flag=True, help="Drop it even if others are connected to it.")
@click.option("--force-prod", is_flag=True, help="Allow --reset where RAXOL_ENV is prod.")
@with_direct_server
@formatted
def setup(
    reset: bool, yes: bool, force: bool, force_prod: bool, direct: Direct, output: Output
) -> None:
    """
    Create the database if there is none, apply what is pending, and see whether it is ready.

    Running it again changes nothing. It ends with what raxol-sql ping looks at, and with 1 where
    that is not as it should be, such as an applied migration whose file is gone.

    --reset loses all data: it asks for the name of the database, or for --yes.

    \b
    Examples:
      raxol-sql setup
      raxol-sql setup --reset --yes
      RAXOL_ENV=test raxol-sql setup
    """
    config = direct.config()
    maintenance = _maintenance(config, direct, output)
    name = config.database
    # Before anything is dropped: a folder that cannot be read would leave nothing at all.
    read_folder(config.project.migrations)
    if reset:
        _confirm(config, yes, force_prod)
        _drop(maintenance, name, force, output)
    try:
        created = databases.create(maintenance, name)
    except psycopg.errors.InsufficientPrivilege as error:
        raise Finding(f"database {name}: {message(error)}") from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise Finding(f"database {name}: {message(error)}: {NO_WRITES}") from error
    output.say(f"database {name}: {'created' if created else 'already exists'}")
    try:
        applied = apply_all(direct.migrations(reachable(config, None), config), output)
    except (MigrationChangedError, MigrationMissingError) as error:
        # Whether a program can use the database is worth knowing all the same.
        click.echo(f"error: {error}", err=True)
        applied = 0
    _look(config, applied, output)


def _maintenance(config: Config, direct: Direct, output: Output) -> Conninfo:
    """The connection string of the maintenance database, on the server itself."""
    try:
        maintenance = reachable(config, output, MAINTENANCE)
    except Unreachable:
        # A pooler may know the configured database alone.
        direct.check_configured(config)
        raise
    direct.check(maintenance)
    return maintenance


def _look(config: Config, applied: int, output: Output) -> None:
    """Says whether a program can use the database now, and what is in its way if not."""
    reached = reach(config)
    check_reached(reached)
    findings = of_reached(config, reached)
    wrong = [one for one in findings if one.status is Status.FAIL]
    for one in wrong:
        output.say(f"{one.check}: {one.message}\n  → {one.remedy}")
    ready = "not ready" if wrong else "ready"
    answers = next(one.message for one in findings if one.check == "query")
    output.say(f"database {config.database}: {ready}; {applied} migrations applied, {answers}")
    if wrong:
        raise click.exceptions.Exit(FINDINGS)


def _confirm(config: Config, yes: bool, force_prod: bool) -> None:
    name = config.database
    if config.environment == "prod" and not force_prod:
        raise click.UsageError("this is prod: --reset needs --force-prod as well")
    if yes:
        return
    confirm(
        f"All data of {name} will be lost.",
        name,
        refusal=f"--reset drops the database {name}: say so with --yes",
    )


def _drop(maintenance: Conninfo, name: str, force: bool, output: Output) -> None:
    try:
        dropped = databases.drop(maintenance, name, force=force)
    except psycopg.errors.ObjectInUse as error:
        count = databases.sessions(maintenance, name)
        raise Finding(
            f"database {name} is in use by {count} sessions: close them, or give --force"
        ) from error
    output.say(f"database {name}: {'dropped' if dropped else 'there was none'}")
