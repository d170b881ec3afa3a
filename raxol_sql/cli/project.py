"""What commands share: the configuration, the project's queries, an open database."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import psycopg

from raxol_sql import Database, Queries, load, server
from raxol_sql.cli.logs import logged
from raxol_sql.cli.output import Output
from raxol_sql.config import Config, Conninfo, Given, Project
from raxol_sql.config.passwords import without_passwords
from raxol_sql.errors import ConfigError
from raxol_sql.migrations import Migrations
from raxol_sql.queries import records_of


def project_queries(project: Project) -> Queries:
    """
    The project's queries, with the records of its module.

    Raises `LoadError`, and `ConfigError` for a module of records that cannot be imported.
    """
    records = project_records(project)
    folder = project.queries
    here = Path.cwd()
    # People read paths as they would type them; a path from elsewhere stays whole.
    return load(
        folder.relative_to(here) if folder.is_relative_to(here) else folder, records=records
    )


def project_records(project: Project) -> list[type]:
    """The records of the project's module, if it has one; raises as `project_queries`."""
    return records_of(_module(project)) if project.records else []


def _module(project: Project) -> ModuleType:
    assert project.records is not None, "asked for only where it is configured"
    # The installed command does not look into the working folder by itself.
    if str(project.root) not in sys.path:
        sys.path.insert(0, str(project.root))
    try:
        return importlib.import_module(project.records)
    except Exception as error:
        raise ConfigError(
            f"[project] records: the module {project.records} cannot be imported: "
            f"{type(error).__name__}: {without_passwords(str(error))}"
        ) from error


ONE_CONNECTION: dict[str, Any] = {"pool_size": 1, "pool_min_size": 1}
# Seconds.
_CONNECTING = 5


@contextmanager
def opened(config: Config, output: Output) -> Iterator[Database]:
    """The configured database, open, after saying which server it is on."""
    conninfo = _announced(config, output)
    try:
        database = Database.open(
            conninfo.changed(connect_timeout=_CONNECTING),
            **ONE_CONNECTION,
            timeout=config.timeout,
        )
    except psycopg.OperationalError as error:
        raise Unreachable(_explained(error, config, None)) from error
    with database, logged(database):
        yield database


def reachable(config: Config, output: Output | None, database: str | None = None) -> Conninfo:
    """
    What connects to a database of a database that takes connections.

    Says which server is in use, to ``output``. Raises `Unreachable`, with what to do about it,
    where no connection can be made.
    """
    conninfo = _announced(config, output, database)
    try:
        conninfo.connect(connect_timeout=_CONNECTING).close()
    except psycopg.OperationalError as error:
        raise Unreachable(_explained(error, config, database)) from error
    return conninfo


def _announced(config: Config, output: Output | None, database: str | None = None) -> Conninfo:
    """What connects to a database, after saying to ``output`` which server is in use."""
    if output is not None:
        output.say(f"using {server.describe(config)}, database {database or config.database}")
    return server.target(config, database)


_STARTUP = (
    "a pooler such as PgBouncer answers, and takes no options= and no PGOPTIONS: leave them out, or"
    " set ignore_startup_parameters = options there. Commands for migrations take the address of "
    "the server itself from --direct-url or RAXOL_DB_MIGRATION_URL"
)


class Unreachable(click.ClickException):
    """No connection can be made, or there is no such database."""

    exit_code = 3


def _explained(error: psycopg.OperationalError, config: Config, database: str | None) -> str:
    where = server.describe(config)
    said = f"Could not connect to database {database or config.database} on {where}: "
    said += " ".join(str(error).split())
    if "unsupported startup parameter" in said:
        return f"{said}\nhint: {_STARTUP}"
    if database is None and _is_missing(config):
        return f"{said}\nhint: the database does not exist yet: run raxol-sql setup"
    return f"{said}\nhint: raxol-sql config shows where each part of the address comes from"


def _is_missing(config: Config) -> bool:
    """Whether the server takes the login, and has no such database."""
    try:
        with server.target(config, "postgres").connect(connect_timeout=5) as connection:
            found = connection.execute(
                "select 1 from pg_database where datname = %s", [config.database]
            )
            return found.fetchone() is None
    except psycopg.Error:
        return False


def project_migrations(config: Config, conninfo: Given) -> Migrations:
    """The project's migrations on a database."""
    return Migrations(conninfo, config.project.migrations)
