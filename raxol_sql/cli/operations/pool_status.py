"""`raxol-sql pool-status`: what the server sees of the pools, and whether they fit in."""

from __future__ import annotations

import attrs
import click
import psycopg

from raxol_sql import server
from raxol_sql.cli.failure import message
from raxol_sql.cli.findings import exit_code, show_findings
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import Unreachable
from raxol_sql.config import Config, Given
from raxol_sql.ops.connections.pooling import View, full, judge, look
from raxol_sql.ops.connections.probing import Probe, probe
from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.hidden import HIDDEN, hidden_sessions, span_or_hidden
from raxol_sql.ops.network.reaching import reach

_FULL = "53300"
_LONGEST = 15_000


@click.command("pool-status")
@click.option("--probe", "probing", is_flag=True, help="Open the configured pool, and fill it.")
@formatted
def pool_status(probing: bool, output: Output) -> int:
    """
    Show connection slots in use, and whether the configured pool size fits.

    A pool lives inside its process, and `db.pool_status()` reports it there. This command shows the
    server's view: sessions by program, database and state, against max_connections. The number of
    processes is estimated from client addresses and full pools. WARN is a pool_size for which there
    are no slots left, and a server that is more than 80 % full; FAIL, with exit status 1, one that
    is full.

    `--probe` opens a pool as it is configured, takes all of its sessions for a moment, and says
    how long that takes; not where the server has fewer places left.

    \b
    Examples:
      raxol-sql pool-status
      raxol-sql pool-status --probe --format json
    """
    config = Config.find()
    output.say(f"using {server.describe(config)}, database {config.database}")
    conninfo = _let_in(config, output)
    timeout = config.timeout or _LONGEST
    try:
        view = look(conninfo, pool_size=config.pool_size, timeout=timeout)
    except psycopg.OperationalError as error:
        if error.sqlstate != _FULL:
            raise
        raise _refused([full()], full().message, full().remedy, output) from None
    findings = judge(view, config.pool_size)
    probed = _probed(config, conninfo, view) if probing else None
    if probing:
        findings.append(_of_probe(probed, view, config))
    _show(view, findings, probed, config.username, output)
    return exit_code(findings, strict=False)


def _let_in(config: Config, output: Output) -> Given:
    """What connects to the server, which has let in just now."""
    reached = reach(config)
    if reached.cause is None:
        return reached.conninfo
    cause = reached.cause
    findings = [full()] if cause.sqlstate == _FULL else [*reached.network]
    raise _refused(findings, cause.message, cause.remedy, output)


def _refused(findings: list[Finding], said: str, remedy: str, output: Output) -> Unreachable:
    if output.format == "json":
        output.json(_document(None, findings, None))
    else:
        show_findings(findings, output)
    return Unreachable(f"{said}\nhint: {remedy}")


def _probed(config: Config, conninfo: Given, view: View) -> Probe | psycopg.Error | None:
    """
    The result of the pool's test; None where it would have taken the last places of the server.
    """
    if config.pool_size > view.slots.free:
        return None
    try:
        return probe(config, conninfo)
    except psycopg.Error as error:
        return error


def _of_probe(probed: Probe | psycopg.Error | None, view: View, config: Config) -> Finding:
    def found(status: Status, said: str, remedy: str = "", ms: float | None = None) -> Finding:
        return Finding("this process", "probe", status, said, remedy, ms)

    size = config.pool_size
    if probed is None:
        return found(
            Status.SKIP,
            f"a pool of {size} would take more than the {view.slots.free} places that are left",
        )
    if isinstance(probed, psycopg.Error):
        return found(Status.FAIL, message(probed), "raxol-sql ping goes the way step by step")
    if probed.error is not None or probed.full_ms is None:
        why = "" if probed.error is None else f": {message(probed.error)}"
        return found(
            Status.FAIL,
            f"{probed.held} of {size} sessions could be held at once{why}",
            "lower pool_size, or raise the limits of the server, the database and the role",
        )
    return found(
        Status.OK,
        f"{probed.held} sessions held at once, on {probed.backends} backends; the first after "
        f"{probed.first_ms:.1f} ms, all after {probed.full_ms:.1f} ms",
        ms=probed.full_ms,
    )


def _show(
    view: View,
    findings: list[Finding],
    probed: Probe | psycopg.Error | None,
    role: str,
    output: Output,
) -> None:
    if output.format == "json":
        output.json(_document(view, findings, probed))
        return
    output.say(
        "the server's view: a pool lives inside its process, and db.pool_status() tells of it there"
    )
    output.table(
        ["application", "database", "state", "sessions", "oldest"],
        [
            (
                one.application,
                one.database,
                one.state or HIDDEN,
                one.count,
                span_or_hidden(one.oldest),
            )
            for one in view.sessions
        ],
    )
    if view.hidden:
        output.say(hidden_sessions(view.hidden, role))
    show_findings(findings, output)
    if isinstance(probed, Probe) and probed.status is not None:
        output.say("the view of this process: the pool of the probe while all of it was held")
        names = ["min", "max", "size", "available", "in_use", "waiting"]
        output.table(names, [[getattr(probed.status, name) for name in names]])


def _document(
    view: View | None, findings: list[Finding], probed: Probe | psycopg.Error | None
) -> dict[str, object]:
    """All of it for programs, in one object."""
    shown: dict[str, object] = {"view": "server", "slots": None, "sessions": [], "probe": None}
    if view is not None:
        slots = view.slots
        shown["slots"] = {**attrs.asdict(slots), "usable": slots.usable, "free": slots.free}
        shown["sessions"] = [attrs.asdict(one) for one in view.sessions]
        shown["application"], shown["processes"] = view.application, view.processes
        shown["hidden_sessions"] = view.hidden
    if isinstance(probed, Probe):
        without = attrs.filters.exclude("error", "status")
        shown["probe"] = attrs.asdict(probed, filter=without)
        shown["pool"] = None if probed.status is None else attrs.asdict(probed.status)
    shown["findings"] = [{**attrs.asdict(one), "status": one.status.value} for one in findings]
    return shown
