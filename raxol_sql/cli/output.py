"""What commands print: lines and tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs
import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raxol_sql.records.names import argument_name

F = TypeVar("F", bound=Callable[..., Any])

WIDE = 10_000
_SPACES = re.compile(r"[ \t\n\v\f\r]+")
_UNSEEN = ("Cf", "Zl", "Zp", "Cs")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@attrs.frozen
class Output:
    """
    Where a command's results go: ``table`` for people, or ``json``.

    Results go to stdout. Other lines go there too for people, and to stderr for
    programs.
    """

    format: str

    def say(self, text: str) -> None:
        """A line that is no result."""
        click.echo(visible(text), err=self.format == "json")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Rows under their columns; in JSON a list of objects."""
        if self.format == "json":
            self.json([dict(zip(columns, row, strict=True)) for row in rows])
            return
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(visible(shown(value))) for value in row))
        console().print(table)

    def json(self, value: object) -> None:
        """One JSON document."""
        click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def console(*, stderr: bool = False) -> Console:
    """
    The terminal, or as much width as the lines need where there is none to fit them into.

    With NO_COLOR in the environment, and not empty, it gets no color, bold or other style.
    """
    stream = sys.stderr if stderr else sys.stdout
    return _Console(
        highlight=False,
        stderr=stderr,
        width=None if stream.isatty() else WIDE,
        # rich leaves out the colors alone.
        color_system=None if os.environ.get("NO_COLOR") else "auto",
    )


class _Console(Console):
    """rich ends the program with exit code 1 when its reader has enough; `main` knows better."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def shown(value: object) -> str:
    """A value in a cell of a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def visible(text: str) -> str:
    """
    ``text`` with what would command a terminal, or is not seen in it, written out.

    An escape is shown as \\x1b, and what turns the direction of writing as \\u202e.
    """
    plain = _CONTROL.sub(lambda match: f"\\x{ord(match.group()):02x}", text)
    if plain.isascii():
        return plain
    return "".join(
        f"\\u{ord(one):04x}" if unicodedata.category(one) in _UNSEEN else one for one in plain
    )


def one_line(text: str) -> str:
    """``text`` without line ends, and with all that no terminal should get written out."""
    return visible(_SPACES.sub(" ", text))


def formatted(command: F) -> F:
    """Gives a command the option ``--format``, which it receives as ``output``."""
    option = click.option(
        "--format",
        "output",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        callback=lambda context, option, value: Output(value),
        help="Output format.",
    )
    decorated: F = option(command)
    return decorated


def pairs_of(record: object) -> list[tuple[str, object]]:
    """The columns of a record with their values; of what is no record, one called value."""
    kind: Any = type(record)
    if not attrs.has(kind):
        return [("value", record)]
    return [(argument_name(field), getattr(record, field.name)) for field in attrs.fields(kind)]


def _plain(value: Any) -> object:
    """What JSON has no word for, as PostgreSQL's own text or as an object."""
    if attrs.has(type(value)):
        return dict(pairs_of(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)
