"""Every command that there is, with arguments that give it something to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
import click

from raxol_sql.cli.app import commands

# In an order in which each finds what it needs; a ! is before what asks no server.
_LINES = """\
setup
setup --reset --yes --force
migrations
migrate
ping
! config
check
drift
! list
! show users.search --all
run users.create email=a@example.org name=A age=30 --write
run users.create email=a@example.org name=A age=30 --write
run users.get id=1
explain users.get id=1 --analyze
! explain-error 28P01
! validate User {"age":"x"}
! docs --output docs.md
metrics
pool-status --probe
top --once --interval 0.1
top --svg top.svg --interval 0.1
diagnose
vacuum --table users
analyze --table users
reindex --table users
deadlocks --since deadlocks.json
new record users
new queries users
new test users
! new migration more
! new outcomes
! init more --yes
rollback
demo
! server status
! server start
! server stop"""


@attrs.frozen
class Line:
    """A command with its arguments; ``asks`` says that it asks the configured server."""

    words: tuple[str, ...]
    asks: bool

    @property
    def path(self) -> tuple[str, ...]:
        """The command without its arguments."""
        return next(self.words[:end] for end in (2, 1) if self.words[:end] in COMMANDS)

    def formatted(self, form: str) -> tuple[str, ...]:
        """The words with ``--format``, where the command takes it."""
        options = [name for one in COMMANDS[self.path].params for name in one.opts]
        return (*self.words, "--format", form) if "--format" in options else self.words


def _walk(
    group: click.Group, before: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        path = (*before, name)
        if isinstance(command, click.Group):
            yield from _walk(command, path)
        else:
            yield path, command


COMMANDS = dict(_walk(commands, ()))
"""All commands, those of groups too, by the words that are typed for them."""

LINES = tuple(
    Line(tuple(line.removeprefix("! ").split(" ")), asks=not line.startswith("! "))
    for line in _LINES.splitlines()
)
