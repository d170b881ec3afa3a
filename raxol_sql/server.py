"""The server of a configuration: the embedded server, started on demand, or another one."""

from __future__ import annotations

import itertools

from raxol_sql.config import Config, Conninfo


def conninfo(config: Config, database: str | None = None) -> str:
    """Return `target` as libpq's connection string, which may contain a password."""
    return target(config, database).revealed()


def target(config: Config, database: str | None = None) -> Conninfo:
    """
    Return the parameters to connect to the configuration's database, or another of its server.

    Starts the project's embedded server, if that is what the configuration asks for; raises
    `EmbeddedError` if that server cannot be started.
    """
    changed = {"dbname": database} if database else {}
    if config.server == "embedded":
        # Imported here: programs without the embedded server do not need these modules.
        from raxol_sql import embedded

        server = embedded.start(config.project.root)
        changed |= {"host": server.host, "port": str(server.port)}
    return config.target(**changed)


def describe(config: Config) -> str:
    """Return a line for messages that says which server is in use; starts nothing."""
    if config.server == "embedded":
        return f"the embedded server of {config.project.root}"
    if "service" in config.extra and config.origins["hostname"] == "default":
        return f"the server of service {config.extra['service']}"
    hosts, ports = config.hostname.split(","), itertools.cycle(config.port.split(","))
    return ", ".join(f"{host}:{port}" for host, port in zip(hosts, ports, strict=False))
