"""
Faults on demand, for tests of code that talks to PostgreSQL.

`FaultProxy` does to the line what networks do; `FaultServer` and its `Standby` are servers that
may be killed, frozen, restarted and promoted. See docs/testing.md. Nothing else of the package
imports this.
"""

from __future__ import annotations

from raxol_sql.testing.cuts import COMMIT, Fired, Pattern, to_client, to_server
from raxol_sql.testing.messages import Message
from raxol_sql.testing.proxy import FaultProxy, Passed
from raxol_sql.testing.servers import FaultServer, Standby

__all__ = [
    "COMMIT",
    "FaultProxy",
    "FaultServer",
    "Fired",
    "Message",
    "Passed",
    "Pattern",
    "Standby",
    "to_client",
    "to_server",
]
