"""The server that a configuration names: the embedded one, started if need be, or another."""

from __future__ import annotations

import itertools

from raxol_sql import embedded
from raxol_sql.config import Config


def conninfo(config: Config, database: str | None = None) -> str:
    """
    libpq's connection string for the configuration's database, or for another of its server.

    Starts the project's embedded server, if that is what the configuration asks for; raises
    `EmbeddedError` where it cannot be had. The string may hold a password.
    """
    changed = {"dbname": database} if database else {}
    if config.server == "embedded":
        server = embedded.start(config.project.root)
        changed |= {"host": server.host, "port": str(server.port)}
    return config.conninfo(**changed)


def describe(config: Config) -> str:
    """One line for people that says which server is in use; nothing is started."""
    if config.server == "embedded":
        return f"the embedded server of {config.project.root}"
    if "service" in config.extra and config.origins["hostname"] == "default":
        return f"the server of service {config.extra['service']}"
    hosts, ports = config.hostname.split(","), itertools.cycle(config.port.split(","))
    return ", ".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=False))
