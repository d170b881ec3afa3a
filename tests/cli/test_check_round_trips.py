"""How often `raxol-sql check` waits for the server, counted between the two."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx
from raxol_sql.schema import Level, prove

MOST = 11
MANY_QUERIES, MOST_SECONDS = 1_000, 5.0
# Seconds: a client that sends nothing for so long waits for the server.
_SILENCE = 0.1


@attrs.frozen
class Person:
    id: int
    name: str


class Conversation:
    """One connection through a `Waits`, and how many answers the server still owes."""

    def __init__(self) -> None:
        self.owed = 1  # for the startup message
        self.held = b""
        self._of_client, self._of_server, self._offset = b"", b"", 0

    def sent(self, data: bytes) -> None:
        self._of_client += data
        while message := self._message(self._of_client, self._offset):
            if self._offset:
                self.owed += message[:1] in (b"S", b"Q")
            self._of_client, self._offset = self._of_client[len(message) :], 1

    def answered(self, data: bytes) -> None:
        self.held += data
        self._of_server += data
        while message := self._message(self._of_server, 1):
            self.owed -= message[:1] == b"Z"
            self._of_server = self._of_server[len(message) :]

    @staticmethod
    def _message(data: bytes, offset: int) -> bytes:
        if len(data) < offset + 4:
            return b""
        length = offset + struct.unpack_from("!i", data, offset)[0]
        return data[:length] if len(data) >= length else b""


class Waits:
    """
    A relay in front of a server that counts the ``round_trips`` of its clients.

    It keeps the server's answers until the server owes none and the client sends nothing more: that
    client waits. What it sends without reading an answer is one flight, however many syncs are in
    it.
    """

    def __init__(self, folder: Path, conninfo: str) -> None:
        given = conninfo_to_dict(conninfo)
        name = f".s.PGSQL.{given['port']}"
        self.round_trips = self.connections = 0
        self.conninfo = make_conninfo(conninfo, host=str(folder))
        self._target = str(Path(str(given["host"])) / name)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / name))
        self._listener.listen()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                self._threads.append(threading.Thread(target=self._pass, args=[client]))
                self._threads[-1].start()

    def _pass(self, client: socket.socket) -> None:
        talk = Conversation()
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            server.connect(self._target)
            while True:
                waiting = talk.held and talk.owed == 0
                ready, _, _ = select.select([client, server], [], [], _SILENCE if waiting else None)
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        return
                    talk.sent(data)
                    server.sendall(data)
                if server in ready:
                    data = server.recv(65536)
                    if not data:
                        client.sendall(talk.held)
                        return
                    talk.answered(data)
                if not ready:
                    self.round_trips += 1
                    client.sendall(talk.held)
                    talk.held = b""


@pytest.fixture
def waits(migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waits]:
    """A relay in front of the database with the repository's tables."""
    relay = Waits(tmp_path_factory.mktemp("r"), migrated)
    try:
        yield relay
    finally:
        relay.close()


@pytest.mark.usefixtures("project")
def test_the_repository_s_queries_are_checked_in_a_few_round_trips(
    raxol_sql: Callable[..., Any], waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", waits.conninfo)
    ran = raxol_sql("check")
    assert (ran.code, "27 queries fit the database" in ran.out) == (0, True)
    assert 0 < waits.round_trips <= MOST


@pytest.mark.usefixtures("project")
def test_a_failing_query_takes_no_more_round_trips_and_spoils_no_other_one(
    raxol_sql: Callable[..., Any], waits: Waits, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", waits.conninfo)
    (project / "raxol_sql.toml").write_text('[project]\nqueries = "own.sql"')
    good = "-- name: good_{0:03} :maybe\n-- Good.\nselect id from users where name = :name;\n"
    bad = "-- name: bad_{0:03} :maybe\n-- Bad.\nselect nope_{0} from users where name = :name;\n"
    (project / "own.sql").write_text("".join((good + bad).format(n) for n in range(100)))
    ran = raxol_sql("check", "--format", "json")
    found = json.loads(ran.out)
    failed = [(one["subject"], one["finding"]) for one in found if one["level"] == "FAIL"]
    assert failed == [
        (
            f"own.bad_{n:03}",
            f'column "nope_{n}" does not exist (SQLSTATE 42703) '
            f"at: select nope_{n} from users where name = $1",
        )
        for n in range(100)
    ]
    noted = [one["subject"] for one in found if one["check"] == "scan"]
    assert noted == [f"own.good_{n:03}" for n in range(100)]
    assert waits.round_trips <= MOST


def test_what_is_under_way_is_bounded(waits: Waits, tmp_path: Path) -> None:
    queries = of_many(tmp_path, 400, "select id, name from users where id = :id")
    with psycopg.connect(waits.conninfo, autocommit=True) as connection:
        before = waits.round_trips
        assert prove(connection, queries).findings == ()
        # 400 statements in two flights; 400 plans with what each leaves behind in four.
        assert waits.round_trips - before == 6


@pytest.mark.deep
def test_a_thousand_queries_of_three_variants_each_take_a_few_seconds(
    migrated: str, tmp_path: Path
) -> None:
    text = (
        "select id, name from users where id > :id\n"
        "order by /*= sort: newest: inserted_at desc | name: name */ id /*=*/\nlimit 1"
    )
    queries = of_many(tmp_path, MANY_QUERIES, text)
    with psycopg.connect(migrated, autocommit=True) as connection:
        began = time.monotonic()
        proof = prove(connection, queries)
        took = time.monotonic() - began
    assert not [one for one in proof.findings if one.level is Level.FAIL]
    assert took < MOST_SECONDS, f"{MANY_QUERIES} queries took {took:.1f} s"


def of_many(folder: Path, count: int, text: str) -> rx.Queries:
    """So many queries of one text, which give records."""
    query = "-- name: q{} :maybe -> Person\n-- One of many.\n" + text + ";\n"
    (folder / "many.sql").write_text("".join(query.format(n) for n in range(count)))
    return rx.load(folder / "many.sql", records=[Person])
