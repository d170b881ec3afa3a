"""The options of commands that need the server itself, past any connection pooler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import attrs
import click
import psycopg

from raxol_sql import server
from raxol_sql.cli.output import visible
from raxol_sql.config import Config, Given
from raxol_sql.migrations import Migrations, check_direct_server

F = TypeVar("F", bound=Callable[..., Any])

# Seconds to wait for another migrator.
LOCK_WAIT = 60.0


@attrs.frozen
class Direct:
    """
    The way to the server that the options of a command give.

    ``url`` may hold a password, and is in no repr.
    """

    url: str | None = attrs.field(default=None, repr=False)
    pooler_is_session_mode: bool = False

    def config(self) -> Config:
        """The configuration, with the address that is for migrations alone."""
        return Config.find().for_migrations(self.url)

    def check(self, conninfo: Given) -> None:
        """Raise ConfigError where a pooler answers that is not said to be in session mode."""
        check_direct_server(conninfo, pooler_is_session_mode=self.pooler_is_session_mode)

    def check_configured(self, config: Config) -> None:
        """As `check`, for the configured database, where that can be reached."""
        try:
            self.check(server.target(config))
        except psycopg.OperationalError:
            return

    def migrations(self, conninfo: Given, config: Config) -> Migrations:
        """The project's migrations there; what is worth knowing goes to stderr."""
        return Migrations(
            conninfo,
            config.project.migrations,
            LOCK_WAIT,
            pooler_is_session_mode=self.pooler_is_session_mode,
            on_notice=lambda text: click.echo(visible(text), err=True),
        )


def with_direct_server(command: F) -> F:
    """Give a command the options, which it receives as ``direct``."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(context: click.Context, option: click.Parameter, value: Any) -> None:
            before = context.params.get("direct") or Direct()
            context.params["direct"] = attrs.evolve(before, **{name: value})

        return callback

    url = click.option(
        "--direct-url",
        metavar="URL",
        expose_value=False,
        callback=keep("url"),
        help="The server itself, past a pooler; also as RAXOL_DB_MIGRATION_URL.",
    )
    mode = click.option(
        "--pooler-is-session-mode",
        is_flag=True,
        expose_value=False,
        callback=keep("pooler_is_session_mode"),
        help="Go through a pooler, which is in session mode.",
    )
    decorated: F = url(mode(command))
    return decorated
