"""libpq itself, by psycopg's binding: the floor, under which no client in Python comes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.rows import args_row

from benchmarks.contender import BlockingPeer, contends
from raxol_sql.demo.accounts import User

_STATEMENTS = ("users.get", "users.page", "members.set_age", "members.change_age")


class Libpq(BlockingPeer):
    """
    Prepared statements with parameters and results in binary, in a pipeline if there are more of
    them. Nothing is made of what the server sends.
    """

    def open(self, stack: ExitStack) -> None:
        self.connection = stack.enter_context(psycopg.connect(self.stage.conninfo, autocommit=True))
        self.pgconn = self.connection.pgconn
        for name, text in (
            *((name, self.stage.text(name).numbered) for name in _STATEMENTS),
            ("begin", "begin"),
            ("commit", "commit"),
        ):
            self.pgconn.prepare(name.encode(), text.encode())

    @contends("libpq, exec_prepared", "one-row")
    def get(self) -> object:
        return self.pgconn.exec_prepared(b"users.get", [_int8(7)], [1], result_format=1)

    @contends("libpq, exec_prepared", "rows", "many-rows")
    def page(self, limit: int) -> object:
        return self.pgconn.exec_prepared(b"users.page", [_int8(limit)], [1], result_format=1)

    @contends("libpq, pipeline", "updates-with-rows")
    def update_with_rows(self) -> object:
        return self._transaction(b"members.set_age")

    @contends("libpq, pipeline", "updates")
    def update(self) -> object:
        return self._transaction(b"members.change_age")

    def _transaction(self, name: bytes) -> list[Any]:
        pgconn = self.pgconn
        send = partial(pgconn.send_query_prepared, result_format=1)
        pgconn.enter_pipeline_mode()
        send(b"begin", None)
        for change in self.stage.changes:
            send(name, [_int4(change["age"]), _int8(change["id"])], [1, 1])
        send(b"commit", None)
        pgconn.pipeline_sync()
        results: list[Any] = []
        while (
            result := pgconn.get_result()
        ) is None or result.status != pq.ExecStatus.PIPELINE_SYNC:
            results.append(result)
        pgconn.exit_pipeline_mode()
        return results

    def read(self, result: Any) -> Any:
        if isinstance(result, list):
            return list(self._users(one for one in result if one is not None))
        users = list(self._users([result]))
        return users if len(users) != 1 else users[0]

    def _users(self, results: Iterable[Any]) -> Iterable[User]:
        for result in results:
            loader = Transformer(self.connection)
            loader.set_pgresult(result, format=pq.Format.BINARY)
            make: Any = args_row(User)(self.connection.cursor())
            yield from loader.load_rows(0, result.ntuples, make)


def _int4(value: int) -> bytes:
    return value.to_bytes(4, "big")


def _int8(value: int) -> bytes:
    return value.to_bytes(8, "big")
