"""Where a server is: a Unix socket, or a TCP port."""

from __future__ import annotations

import socket
from pathlib import Path

import attrs
from psycopg.conninfo import conninfo_to_dict

_PORT = 5432


@attrs.frozen
class Address:
    """The one address that a connection string leads to, as the system's socket calls take it."""

    family: int
    where: str | tuple[str, int]

    @classmethod
    def of(cls, conninfo: str) -> Address:
        """
        The address in ``conninfo``; a name is looked up now, which may take a while.

        Raises ValueError if it names no host, or several, and `OSError` if there is none of that
        name.
        """
        parameters = conninfo_to_dict(conninfo)
        host = str(parameters.get("hostaddr") or parameters.get("host") or "")
        port = str(parameters.get("port") or _PORT)
        if not host or "," in host or "," in port:
            raise ValueError(
                f"the server has to have one host, not {host!r}: name it in the connection string"
            )
        if host.startswith("/"):
            return cls(socket.AF_UNIX, str(Path(host) / f".s.PGSQL.{port}"))
        family, _, _, _, where = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0]
        return cls(family, (str(where[0]), int(where[1])))

    def socket(self) -> socket.socket:
        """A socket that can be connected to it, and does not block."""
        made = socket.socket(self.family)
        made.setblocking(False)
        return made
