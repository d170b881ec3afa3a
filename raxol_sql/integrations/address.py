"""The address of a database in its configuration."""

from __future__ import annotations

import attrs

from raxol_sql import embedded
from raxol_sql.config import Config


@attrs.frozen
class DatabaseAddress:
    """
    A database's name, and the host (or the folder of the socket) and the port of its server.

    A part that only the server can tell is None: if it stands in a service file, which only libpq
    reads, or if there are several hosts, of which any may be the server.
    """

    database: str | None
    host: str | None
    port: int | None

    @classmethod
    def of(cls, config: Config) -> DatabaseAddress:
        """Return the address in a configuration."""
        database = _known(config, "database")
        if config.server == "embedded":
            server = embedded.status(config.project.root)
            if server is None:
                return cls(database, None, None)
            return cls(database, server.host, server.port)
        host, port = _known(config, "hostname"), _known(config, "port")
        if host is None or "," in host:
            return cls(database, None, None)
        return cls(database, host, int(port) if port and port.isdigit() else None)

    def __str__(self) -> str:
        where = self.host or ""
        if self.host and self.port is not None:
            where += f":{self.port}"
        return f"{where}/{self.database or ''}"


def _known(config: Config, key: str) -> str | None:
    """Return a value of the configuration, or None for a default that a service file replaces."""
    if "service" in config.extra and config.origins[key] == "default":
        return None
    value: str = getattr(config, key)
    return value or None
