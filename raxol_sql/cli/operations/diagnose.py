"""`raxol-sql diagnose`: everything that can be told of a database and the project that uses it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click

from raxol_sql import Database, Queries, server
from raxol_sql.cli.failure import UNREACHABLE
from raxol_sql.cli.findings import exit_code, show_findings
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import ONE_CONNECTION, project_queries
from raxol_sql.config import Config, Conninfo, Project
from raxol_sql.ops.diagnosis.diagnosis import CHECKS, GROUPS, REACHING
from raxol_sql.ops.diagnosis.diagnosis import diagnose as findings_of
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.diagnosis.subject import Subject
from raxol_sql.ops.finding import Finding
from raxol_sql.ops.network.reaching import Reached, reach
from raxol_sql.text.variants import all_statements

# By it the session is known to others, and is none of the project's processes.
_APPLICATION = "raxol_sql diagnose"
# Milliseconds, for a query that says nothing itself.
_TIMEOUT = 5000


@click.command()
@click.option(
    "--only", metavar="GROUP", multiple=True, type=click.Choice(GROUPS), help="This group alone."
)
@click.option(
    "--skip", metavar="GROUP", multiple=True, type=click.Choice(GROUPS), help="Not this group."
)
@click.option(
    "--limit", "limits", metavar="NAME=NUMBER", multiple=True, help="Another limit; see --limits."
)
@click.option("--limits", "lists_limits", is_flag=True, help="List the limits and stop.")
@click.option("--show-sql", is_flag=True, help="Print the queries and stop; nothing is sent.")
@click.option("--strict", is_flag=True, help="Exit with status 1 on warnings.")
@formatted
def diagnose(
    only: Sequence[str],
    skip: Sequence[str],
    limits: Sequence[str],
    lists_limits: bool,
    show_sql: bool,
    strict: bool,
    output: Output,
) -> int:
    """
    Diagnose the database: the way there, the server, tables, load, statements, and rights.

    It only reads: each query in a read-only transaction, for five seconds at most. OK
    passes, WARN should be fixed, FAIL is broken, SKIP could not be checked, with the reason. The
    remedy stands below it, ready to be pasted. Exits with 1 if anything fails, and with 3 if the
    server cannot be reached. The groups are network, credentials, service, connections,
    migrations, schema, load, storage, statements, security; `--only` and `--skip` can be repeated.

    \b
    Examples:
      raxol-sql diagnose
      raxol-sql diagnose --only load --only statements
      raxol-sql diagnose --limit long_running_s=5 --strict --format json
      raxol-sql diagnose --only security --show-sql
    """
    groups = [group for group in GROUPS if (not only or group in only) and group not in skip]
    measured = Limits().with_given(limits)
    if lists_limits:
        _list(measured, output)
        return 0
    if show_sql:
        _show_sql(groups)
        return 0
    config = Config.find()
    output.say(f"using {server.describe(config)}, database {config.database}")
    reached = reach(config)
    findings = [one for one in reached.findings if one.group in groups]
    if reached.cause is not None:
        # Whatever was asked for, this is why it is missing.
        show_findings(findings or reached.network, output)
        return UNREACHABLE
    findings += _asked(config, reached, groups, measured)
    show_findings(findings, output)
    return exit_code(findings, strict=strict)


def _asked(
    config: Config, reached: Reached, groups: Collection[str], limits: Limits
) -> list[Finding]:
    """What the server has to be asked for; nothing, where only the way to it is of interest."""
    if set(groups) <= {*REACHING}:
        return []
    own = Conninfo.of(reached.conninfo).changed(application_name=_APPLICATION)
    with Database.open(own, **ONE_CONNECTION, timeout=_TIMEOUT) as database:
        subject = Subject.of(
            *(database, config, reached.conninfo, limits), lambda: _queries(config.project)
        )
        return list(findings_of(subject, groups))


def _queries(project: Project) -> Queries:
    # A database may be diagnosed from anywhere.
    return project_queries(project) if project.queries.exists() else Queries([])


def _list(limits: Limits, output: Output) -> None:
    output.table(
        ["limit", "value", "meaning"],
        [
            (name, f"{getattr(limits, name):g}", meaning)
            for name, meaning in limits.meanings().items()
        ],
    )


def _show_sql(groups: Collection[str]) -> None:
    for check in CHECKS:
        if check.group in groups:
            for query in check.queries:
                text = next(all_statements(query.definition.template)).text
                click.echo(f"-- {check.group}: {check.name}; {query.location}\n{text};\n")
