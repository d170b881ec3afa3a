"""`raxol-sql validate`: what a record's rules say of an input."""

from __future__ import annotations

import difflib
import json
import sys
from typing import Any

import attrs
import click

from raxol_sql.changesets import changeset_of
from raxol_sql.cli.failure import FINDINGS
from raxol_sql.cli.output import Output, formatted, visible
from raxol_sql.cli.project import project_records
from raxol_sql.config import Project
from raxol_sql.errors import did_you_mean
from raxol_sql.records.names import argument_name


@click.command()
@click.argument("record")
@click.argument("document", metavar="JSON")
@formatted
def validate(record: str, document: str, output: Output) -> int:
    """
    Say what is wrong with an input for a record; no server is asked.

    RECORD is a class of the project's module of records, and JSON an object of values by field,
    or - to read it from stdin. The record's own changeset is made of it, as `Repo.create` does; a
    record without one takes all of its fields. Ends with 1 if anything is wrong. What only the
    database knows, such as an address that is taken, is not found.

    \b
    Examples:
      raxol-sql validate User '{"age": "4x"}'
      raxol-sql validate User - < user.json
    """
    found = _record(record)
    permit = [argument_name(field) for field in attrs.fields(found) if field.init]
    changeset = changeset_of(found, _read(document), permit=permit)
    messages = changeset.traverse_errors()
    if output.format == "json":
        output.json(
            {"valid": changeset.is_valid, "errors": messages, "ignored": list(changeset.ignored)}
        )
    elif changeset.is_valid:
        output.say(f"{record}: nothing is wrong with {', '.join(changeset.changes) or 'nothing'}")
    else:
        rows = [(field, message) for field, several in messages.items() for message in several]
        output.table(["field", "message"], rows)
    if changeset.ignored:
        click.echo(visible(f"left out: {', '.join(changeset.ignored)}"), err=True)
    return 0 if changeset.is_valid else FINDINGS


def _record(name: str) -> Any:
    records = {record.__name__: record for record in project_records(Project.find())}
    if name in records:
        return records[name]
    nearest = difflib.get_close_matches(name, records, n=2)
    known = did_you_mean(nearest) or f"; there are {', '.join(records) or 'none'}"
    raise click.UsageError(f"{name} is no record of this project{known}")


def _read(document: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if document == "-" and sys.stdin is not None else document
        value = json.loads(text)
    except ValueError as error:
        raise click.UsageError(f"this is no JSON: {error}") from None
    except RecursionError:
        raise click.UsageError("this JSON is nested too deep") from None
    if not isinstance(value, dict):
        raise click.UsageError("give a JSON object: values by field")
    return value
