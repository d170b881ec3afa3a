"""
What tests of code that talks to PostgreSQL need: places of their own, and faults on demand.

A `sandbox` is a transaction that leaves nothing behind, and `assert_no_repeats` finds a query that
runs again and again.
`FaultProxy` does to the line what networks do; `FaultServer` and its `Standby` are servers that
may be killed, frozen, restarted and promoted. See docs/testing.md. Nothing else of the package
imports this.
"""

from __future__ import annotations

from raxol_sql.testing.cuts import COMMIT, Fired, Pattern, to_client, to_server
from raxol_sql.testing.messages import Message
from raxol_sql.testing.proxy import FaultProxy, Passed
from raxol_sql.testing.repeats import assert_no_repeats
from raxol_sql.testing.sandbox import async_sandbox, sandbox
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
    "assert_no_repeats",
    "async_sandbox",
    "sandbox",
    "to_client",
    "to_server",
]
