"""Generic query plans, independent of the arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import attrs
import psycopg
from psycopg.pq.abc import PGconn, PGresult

from raxol_sql.config import Conninfo
from raxol_sql.engine.core.concurrency import BLOCKING, run_sync
from raxol_sql.engine.types.catalog import rows_of
from raxol_sql.engine.wire.flight import SECONDS, conclude, exchange_each
from raxol_sql.engine.wire.pipeline import Pipeline, Request, check

# In seconds, for connecting.
_CONNECTING = 5
_NAME = b"raxol_sql_plan"
_LIMITS = {"statement_timeout": "5s"}


@attrs.frozen(eq=False, repr=False)
class GenericPlan:
    """A statement to explain: its ``text`` with ``parameters`` parameters, ``$1`` to ``$n``."""

    text: str
    parameters: int

    def requests(
        self, pgconn: PGconn, options: str, settings: Mapping[str, str]
    ) -> tuple[list[Request], list[Request]]:
        """
        Return the requests that explain the statement, and those that clean up after them.

        The clean-up travels as a separate group, because an error in the first group skips the
        rest of that group.
        """

        def send(statement: bytes) -> Request:
            return partial(pgconn.send_query_params, statement, None)

        text = self.text.encode()
        explain = b"explain (%s) " % options.encode()
        begin = [send(b"begin read only"), set_locally(pgconn, settings)]
        if not self.parameters:
            return [*begin, send(explain + text)], [send(b"rollback")]
        nulls = b", ".join([b"null"] * self.parameters)
        # PREPARE is not part of the transaction. A pooler would hand the statement to another
        # client, so the group that rolls back drops it.
        return (
            [
                *begin,
                send(b"prepare %s as %s" % (_NAME, text)),
                send(b"%sexecute %s(%s)" % (explain, _NAME, nulls)),
            ],
            [send(b"rollback"), send(b"deallocate " + _NAME)],
        )


async def explain_generic(
    pipeline: Pipeline,
    statements: Iterable[GenericPlan],
    options: str,
    settings: Mapping[str, str],
    seconds: float = SECONDS,
) -> list[PGresult]:
    """
    Return the result of EXPLAIN for each statement, in order, or the error that it caused.

    The plan fits any arguments. ``options`` are those of EXPLAIN, without ANALYZE; ``settings``
    hold while a plan is made. The server may take ``seconds`` for each. Some hundred statements
    make one round trip. Each has its own read-only transaction, which is rolled back; nothing is
    run, and nothing stays on the server. The connection must be outside a transaction block.
    """
    settings = {**settings, "plan_cache_mode": "force_generic_plan"}
    groups = (
        group
        for statement in statements
        for group in statement.requests(pipeline.pgconn, options, settings)
    )
    ends: list[PGresult] = []
    await exchange_each(pipeline, groups, lambda results: ends.append(conclude(results)), seconds)
    # Every second one is that of a clean-up.
    return ends[::2]


def explain_any(
    connection: psycopg.Connection[Any], text: str, options: str, settings: Mapping[str, str]
) -> list[bytes]:
    """
    Return the lines that EXPLAIN gives for a statement, with a plan that fits any arguments.

    ``connection`` is in autocommit and outside a transaction block. See `explain_generic`. Raises
    psycopg.Error for a statement that the server does not plan, and for a lost connection.
    """
    return run_sync(_explain_any(Pipeline(BLOCKING, connection), text, options, settings))


async def _explain_any(
    pipeline: Pipeline, text: str, options: str, settings: Mapping[str, str]
) -> list[bytes]:
    pgconn = pipeline.pgconn
    described = await pipeline.exchange(
        [
            set_locally(pgconn, settings),
            partial(pgconn.send_prepare, b"", text.encode()),
            partial(pgconn.send_describe_prepared, b""),
        ]
    )
    for result in described:
        check(result)
    statement = GenericPlan(text, described[-1].nparams)
    (planned,) = await explain_generic(pipeline, [statement], options, settings)
    check(planned)
    return rows_of(planned)


def set_locally(pgconn: PGconn, settings: Mapping[str, str]) -> Request:
    """Return the request that makes settings for the transaction, or for its group alone."""
    calls = [
        f"pg_catalog.set_config('{name}', '{value}', true)" for name, value in settings.items()
    ]
    return partial(pgconn.send_query_params, f"select {', '.join(calls)}".encode(), None)


class GenericExplainer:
    """
    A source of generic plans, which opens a separate read-only connection for each.

    The plan fits any arguments, so it contains none of them. Safe for threads.
    """

    def __init__(self, conninfo: Conninfo) -> None:
        self._conninfo = conninfo

    def __call__(self, text: str) -> str:
        """The plan as the server writes it, or why there is none, in one line. Raises nothing."""
        try:
            with self._connect() as connection:
                # Here and not in `options`, which may have more, and which not every
                # pooler lets pass.
                lines = explain_any(connection, text, "format text", _LIMITS)
            return b"\n".join(lines).decode()
        except Exception as error:  # a password callable raises what it likes
            return f"none: {type(error).__name__}"

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return self._conninfo.connect(
            autocommit=True,
            client_encoding="utf8",
            connect_timeout=_CONNECTING,
            application_name="raxol_sql plans",
        )
