"""The question that stands before a loss of data."""

from __future__ import annotations

import sys

import click


def confirm(loss: str, name: str, *, refusal: str) -> None:
    """
    Have the user at a terminal type the name of what is lost, and go on only then.

    ``loss`` is a sentence that says what will be lost. Raises click.Abort for another name, and
    click.UsageError with ``refusal`` where there is no terminal, and so no user to ask.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(refusal)
    if click.prompt(f"{loss} Type {name} to go on", default="", show_default=False) != name:
        raise click.Abort
