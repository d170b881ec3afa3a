"""`raxol-sql drift`: whether the live schema is what its migrations make; and whether they do."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from raxol_sql.cli.direct import Direct, with_direct_server
from raxol_sql.cli.findings import exit_code, show_findings
from raxol_sql.cli.operations.drifted import document, findings_of
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import reachable
from raxol_sql.migrations.folder import read_folder
from raxol_sql.ops.drift.drift import find_drift
from raxol_sql.ops.drift.rehearsal import rehearse

_TERMINATED = 128 + signal.SIGTERM


@click.command()
@click.option(
    "--ignore",
    "ignored",
    metavar="PATTERN",
    multiple=True,
    help="Do not compare what has such a name, such as 'jobs.*'; can be repeated.",
)
@click.option(
    "--server-wide",
    is_flag=True,
    help="Try those migrations as well that change roles, or else more than one database.",
)
@click.option(
    "--migrations",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of the migrations, in place of the one that raxol_sql.toml names.",
)
@with_direct_server
@formatted
def drift(
    ignored: Sequence[str], server_wide: bool, folder: Path | None, direct: Direct, output: Output
) -> int:
    """
    Compare the live schema with what its migrations make.

    What is applied there is applied to a scratch database on the same server, which is dropped
    again; the role must be allowed to create one. The live database is only read, and never
    changed: each difference comes with what to write into a new migration. Owners, grants,
    comments and the versions of extensions are not compared; see docs/migrations.md for the rest.
    Ends with 1 where they differ, and with 4 where a migration fails. Pending migrations are told,
    and are no difference.

    \b
    Examples:
      raxol-sql drift
      raxol-sql drift --ignore 'jobs*' --format json
    """
    config = direct.config()
    chosen = folder or config.project.migrations
    # Before a server is looked for, or started: what cannot be read needs none.
    read_folder(chosen)
    conninfo = reachable(config, output)
    direct.check(conninfo)
    with _ending_in_order():
        found = find_drift(conninfo, chosen, ignored=ignored, server_wide=server_wide)
    findings = findings_of(found)
    if output.format == "json":
        output.json(document(found))
    else:
        show_findings(findings, output)
    return exit_code(findings, strict=False)


def check_migrations(direct: Direct, folder: Path | None, server_wide: bool, output: Output) -> int:
    """
    What `raxol-sql migrations --check` does: there, back and there again on a scratch database.

    Prints the findings and gives the exit code. The configured database is not needed, and not
    touched.
    """
    config = direct.config()
    chosen = folder or config.project.migrations
    read_folder(chosen)
    maintenance = reachable(config, output, "postgres")
    direct.check(maintenance)
    with _ending_in_order():
        findings = rehearse(maintenance, chosen, server_wide=server_wide)
    show_findings(findings, output)
    return exit_code(findings, strict=False)


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Has SIGTERM end the block as Ctrl-C does, so that the scratch database is dropped."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
