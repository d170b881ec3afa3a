"""`raxol-sql docs`: the registry as a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from raxol_sql import Queries, Query
from raxol_sql.cli.failure import Finding
from raxol_sql.cli.project import project_queries
from raxol_sql.config import Project


@click.command()
@click.option("--output", "path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--check", "compare", is_flag=True, help="Write nothing; end with 1 if it is stale.")
def docs(path: Path | None, compare: bool) -> None:
    """
    Write down what every query is for, as Markdown.

    By namespace: how each query is called, what it gives, and the words above its statement. To
    stdout, or to the file of --output. No server is asked.

    \b
    Examples:
      raxol-sql docs
      raxol-sql docs --output docs/queries.md
      raxol-sql docs --output docs/queries.md --check
    """
    text = document(project_queries(Project.find()))
    if compare:
        if path is None:
            raise click.UsageError("--check compares a file: give --output FILE")
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            raise Finding(f"{path} is stale: run raxol-sql docs --output {path}")
        click.echo(f"{path} says what the queries say")
    elif path is None:
        click.echo(text, nl=False)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")


def document(queries: Queries) -> str:
    """The registry as Markdown."""
    lines = ["# Queries", "", "Written by `raxol-sql docs` from the SQL files."]
    namespace = None
    for name in queries:
        query: Query[Any] = queries[name]
        here = ".".join(query.definition.namespace)
        if here != namespace:
            namespace = here
            lines += ["", f"## {here or 'without a namespace'}"]
        lines += ["", f"### {query.signature.replace('|', 'or')}", "", _gives(query)]
        if query.definition.doc:
            lines += ["", query.definition.doc]
    return "\n".join(lines) + "\n"


def _gives(query: Query[Any]) -> str:
    result = f" → {query.definition.result}" if query.definition.result else ""
    file = Path(query.definition.path).name
    return f"`{query.name}` `:{query.kind.value}`{result}, in `{file}`"
