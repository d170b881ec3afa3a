"""Where a connection string leads to: hosts, addresses and sockets, as libpq would read it."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping, Sequence

import attrs
from psycopg import pq

from raxol_sql.config import Conninfo
from raxol_sql.config.conninfo import Given
from raxol_sql.errors import ConfigError

# It is no value of this parameter: libpq, which has read its variables and files by then, refuses
# it, and so goes nowhere.
_REFUSED = {"channel_binding": "none of it"}


@attrs.frozen
class Target:
    """
    One of the hosts of a connection string, with its port.

    ``host`` is a name, an address, or the folder of a Unix socket; ``hostaddr`` the address that
    was given with it, or "".
    """

    host: str
    hostaddr: str
    port: str

    @property
    def is_socket(self) -> bool:
        """Whether it is a Unix socket."""
        return not self.hostaddr and self.host.startswith(("/", "@"))

    @property
    def socket(self) -> str:
        """The address of the Unix socket; one that begins with a NUL is no file."""
        path = f"{self.host}/.s.PGSQL.{self.port}"
        return f"\0{path[1:]}" if path.startswith("@") else path

    @property
    def numeric(self) -> str:
        """The address, where it is one already and no name has to be looked up; or ""."""
        if self.hostaddr or self.is_socket:
            return self.hostaddr
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return ""
        return self.host

    def __str__(self) -> str:
        if self.is_socket:
            return f"{self.host}/.s.PGSQL.{self.port}"
        return f"{self.host or self.hostaddr}:{self.port}"


def parameters_of(conninfo: Given) -> dict[str, str]:
    """
    All that libpq makes of a connection string, with its variables and its service file.

    ``host`` is there in any case. There may be a password in it. Nothing is sent. Raises
    `ConfigError` with libpq's words for what it cannot read, such as a service that is not there.
    """
    conninfo = Conninfo.of(conninfo)
    pgconn = pq.PGconn.connect_start(conninfo.changed(**_REFUSED).revealed().encode())
    try:
        said = pgconn.get_error_message()
        if "channel_binding" not in said:
            raise ConfigError(" ".join(said.split()))
        found = {option.keyword.decode(): (option.val or b"").decode() for option in pgconn.info}
        if not found.get("host"):
            found["host"] = pgconn.host.decode()
        return found
    finally:
        pgconn.finish()


def targets_of(parameters: Mapping[str, str]) -> list[Target]:
    """
    The hosts that ``parameters`` name, in their order, each with its port.

    Raises `ConfigError` for a port that there cannot be.
    """
    hosts = parameters["host"].split(",")
    addresses = (parameters.get("hostaddr") or "").split(",")
    ports = (parameters.get("port") or "").split(",")
    for port in filter(None, ports):
        if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
            raise ConfigError(f"the port {port} is no number from 1 to 65535")
    count = max(len(hosts), len(addresses))
    return [
        Target(host, address, port or "5432")
        for host, address, port in itertools.islice(
            zip(_spread(hosts), _spread(addresses), itertools.cycle(ports), strict=False), count
        )
    ]


def narrowed(conninfo: Conninfo, addresses: Sequence[tuple[Target, str]]) -> Conninfo:
    """
    ``conninfo`` for these addresses only, in their order; that of a socket is "".

    Names need not be looked up any more, and stay what a password file and a certificate go by.
    """
    return conninfo.changed(
        host=",".join(target.host for target, _ in addresses),
        hostaddr=",".join(address for _, address in addresses),
        port=",".join(target.port for target, _ in addresses),
    )


def _spread(values: list[str]) -> itertools.chain[str]:
    return itertools.chain(values, itertools.repeat(""))
