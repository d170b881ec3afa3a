"""`raxol-sql metrics`: what the server has counted for the database."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import attrs
import click

from raxol_sql.cli.output import Output
from raxol_sql.cli.project import opened
from raxol_sql.config import Config
from raxol_sql.ops.amounts import size
from raxol_sql.ops.counters import Counters, read_counters

# What is a level and no counter.
_LEVELS = {"connections", "all_connections", "max_connections", "size_bytes", "stats_reset"}
# What each figure is; those of the server are the same from whichever database they are read.
_HELP = {
    "commits": "Transactions committed in this database.",
    "rollbacks": "Transactions rolled back in this database.",
    "rows_read": "Rows read from tables and indexes.",
    "rows_fetched": "Rows found through indexes.",
    "rows_inserted": "Rows inserted.",
    "rows_updated": "Rows updated.",
    "rows_deleted": "Rows deleted.",
    "blocks_hit": "Blocks found in the server's memory.",
    "blocks_read": "Blocks not found in the server's memory.",
    "temp_files": "Temporary files, of sorts and hashes too big for work_mem.",
    "temp_bytes": "Bytes in temporary files.",
    "deadlocks": "Deadlocks found.",
    "conflicts": "Queries cancelled on a standby for what the primary did.",
    "sessions": "Sessions begun.",
    "sessions_abandoned": "Sessions whose client vanished.",
    "sessions_fatal": "Sessions ended by an error.",
    "sessions_killed": "Sessions ended by an operator.",
    "session_seconds": "Time of sessions.",
    "active_seconds": "Time that sessions ran statements.",
    "idle_in_transaction_seconds": "Time that sessions held a transaction open, doing nothing.",
    "connections": "Server processes in this database.",
    "all_connections": "Server processes in all databases.",
    "max_connections": "Connections that the server takes.",
    "size_bytes": "Size of this database.",
    "checkpoints_timed": "Checkpoints of the server by the clock.",
    "checkpoints_requested": "Checkpoints of the server for other reasons.",
    "checkpoint_blocks_written": "Blocks that checkpoints wrote.",
    "wal_records": "Records that the server wrote ahead.",
    "wal_full_pages": "Whole pages that the server wrote ahead.",
    "wal_bytes": "Bytes that the server wrote ahead.",
    "stats_reset": "When counting began.",
}


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "prometheus"]),
    default="table",
    show_default=True,
    help="For people, for programs, or as Prometheus scrapes it.",
)
def metrics(form: str) -> None:
    """
    Show what the server has counted for the database.

    Commits, rows, cache hits, temporary files, deadlocks, sessions, size and connections, since
    the server's statistics were reset; checkpoints and the write-ahead log are the whole server's.
    Figures lag a second or so behind. Those of queries and of a pool are in the process that has
    them: db.metrics(), or its OpenTelemetry or Prometheus integration.

    \b
    Examples:
      raxol-sql metrics
      raxol-sql metrics --format json
      raxol-sql metrics --format prometheus > /var/lib/node_exporter/raxol_sql.prom
    """
    output = Output("table" if form == "table" else "json")
    with opened(Config.find(), output) as database:
        counters = read_counters(database)
    if form == "prometheus":
        click.echo("".join(_exposition(counters)), nl=False)
    elif form == "json":
        output.json({**attrs.asdict(counters), "cache_hit_ratio": counters.cache_hit_ratio})
    else:
        output.table(["figure", "value", "meaning"], _rows(counters))


def _rows(counters: Counters) -> Iterator[tuple[str, str, str]]:
    yield "server_version", counters.server_version, "PostgreSQL"
    for name, meaning in _HELP.items():
        yield name, _shown(name, getattr(counters, name)), meaning
        if name == "blocks_read":
            ratio = counters.cache_hit_ratio
            shown = "-" if ratio is None else f"{ratio:.2%}"
            yield "cache_hit_ratio", shown, "The share of blocks found in memory."


def _shown(name: str, value: float | datetime.datetime | None) -> str:
    if value is None:
        return "never" if name == "stats_reset" else "-"
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds")
    if name.endswith("_bytes"):
        return size(value)
    return f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def _exposition(counters: Counters) -> Iterator[str]:
    """The counters in Prometheus' text format; what the server does not count is left out."""
    label = f'{{database="{_escaped(counters.database)}"}}'
    for name, meaning in _HELP.items():
        value = getattr(counters, name)
        if value is None:
            continue
        full, kind = f"raxol_sql_server_{name}", "gauge"
        if isinstance(value, datetime.datetime):
            full, value = f"{full}_timestamp_seconds", value.timestamp()
        elif name not in _LEVELS:
            full, kind = f"{full}_total", "counter"
        yield f"# HELP {full} {meaning}\n# TYPE {full} {kind}\n{full}{label} {value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
