"""No frame of ours holds a password as a text when an error leaves it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import raxol_sql as rx
from raxol_sql import databases
from raxol_sql import server as servers
from raxol_sql.cli.app import commands
from raxol_sql.config import Conninfo, Secret
from raxol_sql.migrations import Migrations

if TYPE_CHECKING:
    from tests.engine.pool.conftest import Door, Own

SECRET = "s3cr3t-42"
HERE = __file__
PACKAGE = str(Path(rx.__file__).parent)


def _frames(error: BaseException | None, seen: set[int]) -> Iterator[FrameType]:
    """Those of an error and of all that it came after."""
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield frame
        yield from _frames(error.__cause__, seen)
        error = error.__context__


def _holds(value: object, depth: int = 4) -> bool:
    """Whether a value shows the secret, or is a container of a text that has it."""
    if SECRET in repr(value):
        return True
    if isinstance(value, bytes):
        return SECRET.encode() in value
    if depth and isinstance(value, Mapping):
        return any(_holds(one, depth - 1) for pair in value.items() for one in pair)
    if depth and isinstance(value, (list, tuple, set, frozenset)):
        return any(_holds(one, depth - 1) for one in value)
    return isinstance(value, str) and SECRET in value


def leaks(error: BaseException) -> list[str]:
    """The variables of all frames but the test's in which the secret can be seen."""
    return [
        f"{frame.f_code.co_filename}:{frame.f_lineno} {name}"
        for frame in _frames(error, set())
        if frame.f_code.co_filename != HERE
        for name, value in frame.f_locals.items()
        if _holds(value)
    ]


def _blocking(*given: Any, **named: Any) -> None:
    rx.Database.open(*given, **named).close()


def _asyncio(*given: Any, **named: Any) -> None:
    async def opened() -> None:
        await (await rx.AsyncDatabase.open(*given, **named)).close()

    asyncio.run(opened())


def _wrong_type() -> bytes:
    return SECRET.encode()


URLS = {
    "host unknown": f"postgresql://u:{SECRET}@no-such-host.invalid/d",
    "unreadable": f"postgresql://u:{SECRET}@h:port/d",
    "stray sign": f"postgresql://u:a/{SECRET}@h/d",
    "no escape": f"postgresql://u:{SECRET}%zz@h/d",
    "unknown parameter": f"postgresql://u:{SECRET}@h/d?nothing=1&sslpassword={SECRET}",
    "parameter of another tool": f"host=h password={SECRET} pool_timeout=3",
    "wrong port": f"host=h port=0 password={SECRET}",
    "NUL": f"postgresql://u:{SECRET}@h/d\0",
    "nobody listens": f"postgresql://u:{SECRET}@127.0.0.1:1/d?sslpassword={SECRET}",
    "no password file": f"host=127.0.0.1 port=1 password={SECRET} passfile=/nowhere",
    "no service": f"service=nowhere password={SECRET}",
    "wrong certificate": f"host=127.0.0.1 port=1 sslcert=/nowhere sslkey=/nowhere"
    f" sslmode=verify-full sslpassword={SECRET}",
}


@pytest.mark.parametrize("open_one", [_blocking, _asyncio])
@pytest.mark.parametrize("case", URLS)
@pytest.mark.parametrize("origin", ["argument", "DATABASE_URL"])
def test_a_url_that_fails_leaves_no_secret_in_a_frame(
    open_one: Callable[..., None], case: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [URLS[case]] if origin == "argument" else []
    if origin == "DATABASE_URL":
        if case == "NUL":
            pytest.skip("no variable can have it")
        monkeypatch.setenv("DATABASE_URL", URLS[case])

    with pytest.raises(Exception) as caught:  # noqa: PT011 (any error will do)
        open_one(*given, timeout=2000)

    assert leaks(caught.value) == []


@pytest.mark.parametrize("open_one", [_blocking, _asyncio])
@pytest.mark.parametrize(
    "named",
    [
        {"password": SECRET},
        {"password": lambda: SECRET},
        {"password": lambda: SECRET, "pool_size": 2},
        {"password": _wrong_type},
        {"password": lambda: SECRET + "\0"},
        {"password": SECRET, "pool_size": -1},
        {"password": SECRET, "nothing": SECRET},
        {"password": [SECRET]},
        {"password": SECRET, "hostname": "no-such-host.invalid"},
    ],
)
def test_a_password_that_fails_leaves_no_secret_in_a_frame(
    spare: Own, open_one: Callable[..., None], named: dict[str, Any]
) -> None:
    conninfo = make_conninfo(spare.conninfo, user="locked")

    with pytest.raises(Exception) as caught:  # noqa: PT011
        open_one(conninfo, timeout=2000, **named)

    assert leaks(caught.value) == []


@pytest.mark.parametrize("name", ["RAXOL_DB_PASS", "PGPASSWORD"])
def test_a_password_of_the_environment_leaves_none_either(
    spare: Own, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, SECRET)
    for conninfo in (make_conninfo(spare.conninfo, user="locked"), "host=h port=x"):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            _blocking(conninfo)
        assert leaks(caught.value) == []


@pytest.mark.parametrize(
    "text", [f"[dev]\npassword='{SECRET}'\nnothing=1\n", f"password='{SECRET}'\n", f"={SECRET}\n"]
)
def test_a_file_that_fails_leaves_none_either(tmp_path: Path, text: str) -> None:
    (tmp_path / "raxol_sql.toml").write_text(text)
    for find in (rx.Config.find, lambda start: rx.config.Project.find(start)):  # type: ignore[attr-defined]
        with pytest.raises(rx.errors.ConfigError) as caught:
            find(start=tmp_path)
        assert leaks(caught.value) == []


def test_an_interrupt_while_it_connects_leaves_none_either(door: Door) -> None:
    door.answer = None

    async def cancelled() -> None:
        async with asyncio.timeout(0.3):
            await rx.AsyncDatabase.open(door.conninfo, password=SECRET)

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(cancelled())
    assert leaks(caught.value) == []


def test_a_call_that_fails_on_an_open_database_leaves_none_either(spare: Own) -> None:
    conninfo = make_conninfo(spare.conninfo, user="locked", password="right")
    with rx.Database.open(conninfo, pool_size=1, pool_min_size=0, timeout=1000) as db:
        db.recycle()
        spare.side(f"alter role locked password '{SECRET}'")
        try:
            with pytest.raises(Exception) as caught:  # noqa: PT011, SIM117
                with db.connection():
                    pass
        finally:
            spare.side("alter role locked password 'right'")
    seen = [
        name
        for frame in _frames(caught.value, set())
        if frame.f_code.co_filename != HERE
        for name, value in frame.f_locals.items()
        if "password=right" in repr(value)
    ]
    assert seen == []


@pytest.mark.parametrize("connect", [lambda config: config.target().connect(connect_timeout=2)])
def test_a_connection_of_its_own_leaves_none_either(connect: Callable[[Any], Any]) -> None:
    config = rx.Config.find(URLS["nobody listens"])

    with pytest.raises(Exception) as caught:  # noqa: PT011
        connect(config)

    assert leaks(caught.value) == []
    assert SECRET not in repr(servers.target(config))
    assert servers.conninfo(config).count(SECRET) == 2


def test_a_secret_is_masked_however_it_is_printed() -> None:
    secret = Secret(SECRET)

    shown = f"{secret} {secret!r} {secret:>20} {[secret]} {str(secret)!s} " + "%s" % secret  # noqa: UP031
    assert SECRET not in shown
    assert SECRET not in repr(Conninfo({"host": "h"}, {"password": secret}))
    assert secret == SECRET
    assert secret != "other"
    assert secret.reveal() == SECRET


def test_pytest_shows_no_secret_with_all_variables(tmp_path: Path, spare: Own) -> None:
    conninfo = make_conninfo(spare.conninfo, user="locked")
    (tmp_path / "password.txt").write_text(SECRET)
    (tmp_path / "test_open.py").write_text(
        textwrap.dedent(f"""\
            import asyncio, pathlib, raxol_sql as rx

            PASSWORD = pathlib.Path("password.txt")

            def test_blocking():
                rx.Database.open({conninfo!r}, password=PASSWORD.read_text())

            def test_asyncio():
                async def opened():
                    await rx.AsyncDatabase.open({conninfo!r}, password=PASSWORD.read_text())
                asyncio.run(opened())

            def test_url():
                rx.Database.open("postgresql://u:" + PASSWORD.read_text() + "@h/d?nothing=1")
            """)
    )

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "--showlocals",
            "--tb=long",
            "-p",
            "no:cacheprovider",
            ".",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "3 failed" in done.stdout
    assert "password authentication failed" in done.stdout
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("conninfo", [URLS["unreadable"], URLS["nobody listens"], URLS["NUL"]])
def test_migrations_that_do_not_get_to_their_server_leave_none_either(
    repository: Path, conninfo: str
) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        Migrations(conninfo, repository / "migrations").status()

    assert leaks(caught.value) == []
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize(
    "command", [["ping"], ["check"], ["migrate"], ["setup"], ["pool-status"], ["demo"], ["explain"]]
)
def test_a_command_that_does_not_get_to_its_server_leaves_none_either(
    monkeypatch: pytest.MonkeyPatch, repository: Path, command: list[str]
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("DATABASE_URL", URLS["nobody listens"])
    if command == ["explain"]:
        command = ["explain", "users.get", "id=1"]
    try:
        commands.main(command, standalone_mode=False)
    except BaseException as error:
        assert leaks(error) == []  # noqa: PT017 (a command may also end well)


def test_a_database_for_a_moment_leaves_none_either() -> None:
    for work in (
        lambda: databases.create(URLS["nobody listens"], "x"),
        lambda: databases.drop(Conninfo.of(URLS["nobody listens"]), "x"),
    ):
        with pytest.raises(psycopg.OperationalError) as caught:
            work()
        assert leaks(caught.value) == []
