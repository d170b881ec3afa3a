"""What is diagnosed: a database, and the project that uses it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Self

import attrs
from psycopg.sql import Identifier

from raxol_sql.config import Config
from raxol_sql.config.conninfo import Given
from raxol_sql.engine import Database
from raxol_sql.ops.diagnosis.limits import Limits
from raxol_sql.ops.own_queries import own_queries
from raxol_sql.queries import Queries


@attrs.frozen(slots=False)
class Subject:
    """
    An open database, by what it is measured, and how to get at the project's queries.

    ``server_is_embedded`` excuses what is so on purpose there: no fsync, and a superuser.
    ``conninfo`` may hold a password, and is in no repr. For one thread at a time.
    """

    database: Database
    config: Config
    conninfo: Given = attrs.field(repr=False)
    limits: Limits
    server_is_embedded: bool
    _load: Callable[[], Queries]

    @classmethod
    def of(
        cls,
        database: Database,
        config: Config,
        conninfo: Given,
        limits: Limits,
        load: Callable[[], Queries],
    ) -> Self:
        """
        The subject that an open database is, after asking it whether its server is one of ours.

        ``config`` is what led to it, and says more of where values come from than the database's.
        ``load`` gives the project's queries, and is called when they are needed first. Raises the
        driver's errors.
        """
        where: Any = database.run(own_queries(__file__, "service").data_directory())
        # Its socket is next to its data, unless that path is too long.
        places = (where, *(f"{host}/data" for host in config.hostname.split(",")))
        embedded = config.server == "embedded" or any(map(is_embedded, places))
        return cls(database, config, conninfo, limits, embedded, load)

    @property
    def role(self) -> str:
        """Who asks, as SQL writes it."""
        return Identifier(self.config.username).as_string()

    @cached_property
    def queries(self) -> Queries:
        """The project's queries; raises what loading them raises."""
        return self._load()


def is_embedded(data_directory: str | None) -> bool:
    """
    Whether a server with its data there is an embedded one, made by this package.

    Only a superuser is told where the data are.
    """
    if data_directory is None:
        return False
    path = PurePosixPath(data_directory)
    base = path.parent.parent.name
    return path.parent.name == "pg" and (base == ".raxol" or base.startswith("raxol_sql-"))
