"""`raxol-sql check`: every query against the live schema, and the schema against good practice."""

from __future__ import annotations

import click

from raxol_sql.cli.failure import FINDINGS
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import opened, project_queries
from raxol_sql.config import Config
from raxol_sql.schema import Level, lint, prove


@click.command()
@click.option("--strict", is_flag=True, help="Exit with status 1 on warnings.")
@formatted
def check(strict: bool, output: Output) -> int:
    """
    Check every query against the live schema, and the schema against good practice.

    Every statement that a query can become is prepared, and never run, and its columns are compared
    with the record. FAIL is what does not work, WARN what will hurt some day: a foreign key
    without an index, a type that is seldom meant, a rule of a record that its table does not know,
    a table without timestamps. `-- @allow CODE: reason` silences a finding about a query. Ends with
    1 where anything fails.

    \b
    Examples:
      raxol-sql check
      raxol-sql check --strict --format json
    """
    config = Config.find()
    queries = project_queries(config.project)
    with opened(config, output) as database:
        with database.connection(purpose="check") as connection:
            proof = prove(connection, queries)
        findings = [*proof.findings, *lint(database, proof.origins)]
    findings.sort(key=lambda one: list(Level).index(one.level))
    if output.format == "json" or findings:
        output.table(
            ["level", "check", "subject", "finding", "remedy", "place"],
            [
                (one.level.value, one.code, one.subject, one.message, one.remedy, one.place)
                for one in findings
            ],
        )
    levels = {one.level for one in findings}
    if Level.FAIL in levels or (strict and Level.WARN in levels):
        return FINDINGS
    output.say(f"{len(queries)} queries fit the database")
    return 0
