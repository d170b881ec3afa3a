"""`raxol-sql ping`: a quick look at whether everything is there that a program needs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import attrs
import click
import psycopg

from raxol_sql import server
from raxol_sql.cli.failure import message
from raxol_sql.cli.findings import exit_code, show_findings
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import Unreachable, project_migrations
from raxol_sql.config import Config
from raxol_sql.errors import ConfigError, MigrationError
from raxol_sql.migrations import MigrationState, MigrationStatus
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.network.greeting import Greeting
from raxol_sql.ops.network.reaching import STEPS, Reached, reach
from raxol_sql.telemetry import LostPromise

# Seconds: the longest that a step takes, and the pause between two attempts.
_TIMEOUT = 5.0
_PAUSE = 0.25
_APPLIED = (
    *(MigrationState.APPLIED, MigrationState.UNVERIFIED),
    *(MigrationState.COMMENTED, MigrationState.EDITED, MigrationState.REMOVED),
)
_PENDING = (MigrationState.PENDING, MigrationState.INTERRUPTED)
_REFUSED = ("28P01", "28000")
_DATABASE = ("database", "query")


@click.command()
@click.option(
    "--wait",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Try for so long, unless waiting cannot help.",
)
@formatted
def ping(wait: float, output: Output) -> int:
    """
    See whether the database answers, how fast, and whether its migrations are applied.

    Looks at the configuration, each step of the way to the server, the database, a query, and the
    migrations; what comes after a step that failed is skipped. Ends with 3 where there is no
    connection, with 1 where migrations are pending, edited, or without their files.
    `--wait` is for scripts: it tries until the server lets in, and not for a wrong password or a
    database that does not exist.

    \b
    Examples:
      raxol-sql ping
      raxol-sql ping --wait 30 && start-the-service
      DATABASE_URL=postgresql://localhost/mine raxol-sql ping --format json
    """
    try:
        config = Config.find()
    except ConfigError as error:
        _show(_of_wrong_config(error), output)
        raise
    output.say(f"using {server.describe(config)}, database {config.database}")
    reached = _reached(config, wait, output)
    findings = of_reached(config, reached)
    _show(findings, output, reached)
    check_reached(reached)
    return exit_code(findings, strict=False)


def of_reached(config: Config, reached: Reached) -> list[Finding]:
    """What there is to say of a configuration once one has seen how far it leads; for `setup`."""
    findings = [_of_config(config), *_of_way(reached)]
    if reached.greeting is not None:
        findings.append(_of_migrations(config, reached))
    return findings


def check_reached(reached: Reached) -> None:
    """Raises `Unreachable`, with the cause and what helps, if the server has not let in."""
    if reached.cause is not None:
        raise Unreachable(f"{reached.cause.message}\nhint: {reached.cause.remedy}")


def _reached(config: Config, wait: float, output: Output) -> Reached:
    """What the last attempt came to, once it came through or waiting is over or in vain."""
    end = time.monotonic() + wait
    is_told = False
    while True:
        left = end - time.monotonic()
        reached = reach(config, timeout=min(_TIMEOUT, left) if left > 1 else _TIMEOUT)
        left = end - time.monotonic()
        if reached.cause is None or reached.cause.is_final or left <= 0:
            return reached
        if not is_told:
            output.say(f"waiting for it, at most {wait:g} s: {reached.cause.message}")
            is_told = True
        time.sleep(min(_PAUSE, left))


def _of_wrong_config(error: ConfigError) -> list[Finding]:
    remedy = "correct that value; raxol-sql config shows all of them, once they can be read"
    return [
        Finding("config", "config", Status.FAIL, str(error), remedy),
        *_skipped("network", STEPS, "config"),
        *_skipped("database", _DATABASE, "config"),
        *_skipped("migrations", ["migrations"], "config"),
    ]


def _of_config(config: Config) -> Finding:
    file = config.project.file or "no raxol_sql.toml here or above"
    return Finding("config", "config", Status.OK, f"environment {config.environment}, {file}")


def _of_way(reached: Reached) -> list[Finding]:
    """The steps to the server, and what it is; who asks, where it is that which was refused."""
    findings = [*reached.network]
    if reached.cause is not None and reached.cause.sqlstate in _REFUSED:
        findings += [one for one in reached.findings if one.group == "credentials"]
    if reached.greeting is not None:
        return [*findings, *_of_greeting(reached.greeting)]
    failed = next(one.check for one in findings if one.status is Status.FAIL)
    return [
        *findings,
        *_skipped("database", _DATABASE, failed),
        *_skipped("migrations", ["migrations"], failed),
    ]


def _of_greeting(greeting: Greeting) -> list[Finding]:
    kind = "a standby, which takes no writes" if greeting.is_standby else "a primary"
    version = f"PostgreSQL {greeting.version}"
    return [
        Finding("database", "database", Status.OK, f"{greeting.database}, on {kind}"),
        Finding("database", "query", Status.OK, f"{version} answers", ms=greeting.ms),
        *(_of_lost(one) for one in greeting.lost),
    ]


def _of_lost(lost: LostPromise) -> Finding:
    told = f"not promised here: {lost.promise}: {lost.cause}; instead: {lost.instead}"
    return Finding("database", "promises", Status.WARN, told, lost.remedy)


def _of_migrations(config: Config, reached: Reached) -> Finding:
    def found(status: Status, message: str, remedy: str = "") -> Finding:
        return Finding("migrations", "migrations", status, message, remedy)

    folder = config.project.migrations
    if not folder.is_dir():
        return found(Status.SKIP, f"there is no folder {folder}")
    try:
        status = project_migrations(config, reached.conninfo).status()
    except (ConfigError, MigrationError) as error:
        return found(Status.FAIL, str(error), "correct the folder of the migrations")
    except psycopg.Error as error:
        return found(Status.FAIL, message(error), "see what the role may read, and the server")
    return found(*_of_states(status.migrations))


def _of_states(migrations: Iterable[MigrationStatus]) -> tuple[Status, str, str]:
    states = Counter(one.state for one in migrations)
    pending = sum(states[state] for state in _PENDING)
    missing, edited = states[MigrationState.MISSING], states[MigrationState.EDITED]
    # One that was renamed is there under both names.
    renamed = states[MigrationState.RENAMED] // 2
    applied = sum(states[state] for state in _APPLIED) + renamed
    counted = f"{applied} applied, {pending} pending, {missing} missing files"
    if edited:
        counted += f", {edited} edited since"
    if renamed:
        counted += f", {renamed} renamed since"
    if missing or edited or renamed:
        return Status.FAIL, counted, "restore the files: raxol-sql migrations names them"
    if pending:
        return Status.FAIL, counted, "raxol-sql migrate"
    return Status.OK, counted, ""


def _skipped(group: str, checks: Iterable[str], failed: str) -> list[Finding]:
    reason = f"not reached: {failed} failed"
    return [Finding(group, check, Status.SKIP, reason) for check in checks]


def _show(findings: list[Finding], output: Output, reached: Reached | None = None) -> None:
    """The lines; for programs one object, with the figures that are asked for most."""
    if output.format != "json":
        show_findings(findings, output)
        return
    greeting = None if reached is None else reached.greeting
    login = next(one.ms for one in findings if one.check == "login")
    output.table(
        ["database", "server_version", "connect_ms", "query_ms", "findings", "lost_promises"],
        [
            (
                None if greeting is None else greeting.database,
                None if greeting is None else greeting.version,
                None if greeting is None else login,
                None if greeting is None else greeting.ms,
                [{**attrs.asdict(one), "status": one.status.value} for one in findings],
                [] if greeting is None else [attrs.asdict(one) for one in greeting.lost],
            )
        ],
    )
