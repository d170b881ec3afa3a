"""`raxol-sql explain`: the plan of a query, and the problems in it."""

from __future__ import annotations

from typing import Any

import click
import psycopg

from raxol_sql import BoundQuery, Database, Query
from raxol_sql.cli.findings import exit_code, show_findings
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import opened, project_queries
from raxol_sql.cli.registry import arguments_of, discreet, named_query
from raxol_sql.config import Config
from raxol_sql.ops.finding import Finding
from raxol_sql.ops.plans import asking as plans
from raxol_sql.ops.plans.judging import findings_of
from raxol_sql.ops.plans.tree import Plan

_PLANNED = "planned only: nothing was run"
_PLANNED_ANY = "planned for any arguments: nothing was run"
_RAN = (
    "run in a transaction that was rolled back; what it took of sequences, or did outside of this "
    "database, is not rolled back"
)


@click.command()
@click.argument("query")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--null", "nulls", metavar="NAME", multiple=True, help="An argument that is NULL.")
@click.option("--analyze", is_flag=True, help="Run it, and take back what it changes.")
@click.option("--generic", is_flag=True, help="The plan for any arguments, which may be left out.")
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    metavar="N",
    default=10_000,
    show_default=True,
    help="How many rows may be read one after another.",
)
@click.option("--strict", is_flag=True, help="Exit with status 1 on findings.")
@formatted
def explain(
    query: str,
    arguments: tuple[str, ...],
    nulls: tuple[str, ...],
    analyze: bool,
    generic: bool,
    rows: int,
    strict: bool,
    output: Output,
) -> int:
    """
    Show the plan of a query, and the problems in it.

    Found are tables of which many rows are read one after another, and with --analyze estimates
    that are far off and what did not fit into memory. Arguments are written as for `run`; they
    travel separately from the text, and the plan shows them. What is @sensitive it does not show:
    such a query is planned for any arguments, and with --analyze its conditions are masked.

    Nothing is run without --analyze. With it the query is, whatever it changes, in a transaction
    that is rolled back.

    \b
    Examples:
      raxol-sql explain users.get id=1
      raxol-sql explain users.search name=ann limit=10 --analyze
      raxol-sql explain users.search name= --generic --strict
    """
    if analyze and generic:
        raise click.UsageError("--analyze runs a query with its arguments: leave out --generic")
    config = Config.find()
    found = named_query(project_queries(config.project), query)
    given = arguments_of(found, arguments, nulls)
    # A plan for any arguments needs none, but those that choose a variant.
    bound = found(**({**dict.fromkeys(found.required), **given} if generic else given))
    if plans.planned_text(found, bound.statement) is None:
        raise click.UsageError(f"{found.name} has no plan: the server plans no such statement")
    secret = set(found.definition.directives.sensitive) & set(bound.statement.parameters)
    if secret and not analyze:
        generic = True
    with opened(config, output) as database, discreet(found, tuple(secret)):
        if generic:
            plan = _generic(found, bound, database)
        else:
            plan = _explained(database, bound, analyze=analyze)
        plan = plan.masked if secret else plan
        findings = findings_of(plan, plans.known_tables(database, plan), rows=rows)
    said = _RAN if analyze else _PLANNED_ANY if generic else _PLANNED
    _show(found, plan, findings, said, output)
    return exit_code(findings, strict=strict)


class _Undone(Exception):  # noqa: N818
    """Ends a transaction without a COMMIT."""


def _explained(database: Database, bound: BoundQuery[Any], *, analyze: bool) -> Plan:
    if not analyze:
        return plans.explain(database, bound)
    try:
        with database.transaction() as transaction:
            plan = plans.explain(transaction, bound, analyze=True)
            raise _Undone
    except _Undone:
        return plan


def _generic(query: Query[Any], bound: BoundQuery[Any], database: Database) -> Plan:
    text = plans.planned_text(query, bound.statement)
    assert text is not None, "asked before anything was opened"
    try:
        with database.connection(purpose="explain") as connection:
            return plans.explain_any(connection, text)
    except psycopg.Error as error:
        error.add_note(f"in query {query.name} ({query.location})")
        raise


def _show(
    query: Query[Any], plan: Plan, findings: list[Finding], said: str, output: Output
) -> None:
    output.say(f"{query.name} :{query.kind.value}  {query.location}")
    output.say(said)
    if output.format == "json":
        told = [
            {"check": one.check, "message": one.message, "remedy": one.remedy} for one in findings
        ]
        output.json({"query": query.name, "findings": told, "plan": plan.document})
        return
    if findings:
        show_findings(findings, output)
    else:
        output.say("no problems found")
    output.say("\n" + "\n".join(plan.lines()))
