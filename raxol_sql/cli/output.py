"""What commands print: lines and tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

F = TypeVar("F", bound=Callable[..., Any])

WIDE = 10_000


@attrs.frozen
class Output:
    """
    Where a command's results go: ``table`` for people, or ``json``.

    Results go to stdout. What is said beside them goes there too for people, and to stderr for
    programs.
    """

    format: str

    def say(self, text: str) -> None:
        """A line beside the results."""
        click.echo(text, err=self.format == "json")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Rows under their columns; in JSON a list of objects."""
        if self.format == "json":
            self.json([dict(zip(columns, row, strict=True)) for row in rows])
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(shown(value)) for value in row))
        console().print(table)

    def json(self, value: object) -> None:
        """One JSON document."""
        click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def console() -> Console:
    """The terminal, or as much width as the lines need where there is none to fit them into."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)


def shown(value: object) -> str:
    """A value in a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def formatted(command: F) -> F:
    """Gives a command the option ``--format``, which it receives as ``output``."""
    option = click.option(
        "--format",
        "output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        callback=lambda context, option, value: Output(value),
        help="For people, or for programs.",
    )
    decorated: F = option(command)
    return decorated


def columns_of(record: object) -> list[str]:
    """The names of a record's columns; of what is no record, one."""
    kind: Any = type(record)
    if attrs.has(kind):
        return [field.name for field in attrs.fields(kind)]
    return ["value"]


def values_of(record: object) -> list[object]:
    """The values of a record's columns, in their order."""
    if attrs.has(type(record)):
        return [getattr(record, name) for name in columns_of(record)]
    return [record]


def _plain(value: Any) -> object:
    """What JSON has no word for, as PostgreSQL's own text or as an object."""
    if attrs.has(type(value)):
        return dict(zip(columns_of(value), values_of(value), strict=True))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)
