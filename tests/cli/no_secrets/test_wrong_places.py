"""No command prints a secret that was written down wrongly, or where it does not belong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from psycopg.conninfo import make_conninfo

from tests.cli.no_secrets.conftest import (
    FILES,
    PLACES,
    QUOTED,
    SECRET,
    Address,
    Written,
    leaks,
    write,
    written_by_commands,
)
from tests.cli.no_secrets.every_command import COMMANDS, LINES

RaxolSQL = Callable[..., Any]
Told = Callable[[], str]

URL = f"postgresql://me:{QUOTED}@127.0.0.1:1/mine"
RAW = f"postgresql://me:{SECRET}@127.0.0.1:1/mine"
WORDS = make_conninfo(host="127.0.0.1", port=1, user="me", password=SECRET)
MINE = {"RAXOL_DB_HOST": "127.0.0.1", "RAXOL_DB_PORT": "1"}


def _service(lines: str) -> Written:
    return Written({"PGSERVICE": "mine"}, files={"PGSERVICEFILE": f"[mine]\nport=1\n{lines}\n"})


WRONG = {
    "a URL with nothing quoted": Written({"DATABASE_URL": RAW}),
    "another scheme": Written({"DATABASE_URL": RAW.replace("postgresql", "mysql")}),
    "no scheme": Written({"DATABASE_URL": RAW.partition("//")[2]}),
    "no host": Written({"DATABASE_URL": URL.partition("@")[0]}),
    "words without quotes": Written({"DATABASE_URL": f"host=/nowhere password={SECRET}"}),
    "a URL for a name": Written({**MINE, "RAXOL_DB_NAME": URL}),
    "a URL for a host": Written({**MINE, "RAXOL_DB_HOST": RAW}),
    "a URL for a port": Written({**MINE, "RAXOL_DB_PORT": URL}),
    "a URL for a user": Written({**MINE, "RAXOL_DB_USER": RAW}),
    "words for a name": Written({**MINE, "RAXOL_DB_NAME": WORDS}),
    "a URL for a number": Written({**MINE, "RAXOL_DB_TIMEOUT": URL}),
    "a URL for the environment": Written({**MINE, "RAXOL_ENV": URL}),
    "a URL for libpq's host": Written({"PGHOST": URL}),
    "a URL for libpq's name": Written({**MINE, "PGDATABASE": RAW}),
    "a URL in a section": Written(MINE, f"database = '''{RAW}'''"),
    "a section of a URL": Written(MINE, f"'{URL}' = 1"),
    "keys of SCRAM": Written({"DATABASE_URL": f"{URL}?scram_client_key={QUOTED}"}),
    "no TOML": Written(MINE, f"password = {SECRET}"),
    "no end of a text": Written(MINE, f'password = "{QUOTED}'),
    "an escape that is none": Written(MINE, f'password = "{QUOTED}\\q"'),
    "no text": Written(MINE, f"password = ['{QUOTED}']"),
    "a key that is none": Written(MINE, f"passwrod = '{QUOTED}'"),
    "two of a key": Written(MINE, f"password = '{QUOTED}'\npassword = '{QUOTED}'"),
    "no UTF-8": Written(MINE, f"password = '{QUOTED}\udce9'"),
    "no service file": _service(f"password {SECRET}"),
    "no word of libpq's in a service": _service(f"passwrod={SECRET}"),
    "no end in a service": _service(f"password={SECRET * 40}"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_written_down_wrongly_is_not_shown(
    wrong: str, folder: Path, raxol_sql: RaxolSQL, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAXOL_SQL_PG_BIN", "/nowhere")
    write(WRONG[wrong], folder, monkeypatch)

    for line in LINES:
        ran = raxol_sql(*line.formatted("json" if len(wrong) % 2 else "table"))
        assert not leaks(ran.out + ran.err + told()), line
        assert ran.code in (2, 3) or not line.asks, line

    for name, text in written_by_commands(folder):
        assert not leaks(text), name


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_password_file_is_not_shown_whoever_may_read_it(
    mode: int, folder: Path, raxol_sql: RaxolSQL, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Written(MINE, files={"PGPASSFILE": f"*:*:{SECRET}\n"}), folder, monkeypatch)
    (folder / FILES["PGPASSFILE"]).chmod(mode)

    for words in (["ping"], ["migrate"], ["config", "--format", "json"]):
        ran = raxol_sql(*words)
        assert not leaks(ran.out + ran.err + told()), words


@pytest.mark.parametrize("quote", ["'{}'", "E'{}'", "$x${}$x$", "\n  '{}'"])
def test_a_migration_that_fails_at_a_role_does_not_show_its_password(
    quote: str, there: Address, folder: Path, raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = attrs.evolve(there, database=f"of_a_migration_{len(quote)}")
    write(PLACES["a URL"](at), folder, monkeypatch)
    (folder / "migrations" / "0006-role.sql").write_text(
        f"-- depends: 0005-bound-texts-of-users\n"
        f"create role pg_reserved login password {quote.format('canary-of-the-role')} nosuperuser;"
    )

    ran = raxol_sql("setup")

    assert ran.code == 4
    assert "create role pg_reserved login password" in ran.err
    assert not leaks(ran.out + ran.err)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_no_help_and_no_word_of_misuse_shows_a_secret(
    path: tuple[str, ...], folder: Path, raxol_sql: RaxolSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(PLACES["a URL"](Address("127.0.0.1", 1)), folder, monkeypatch)
    options = [f"--url={URL}", f"--password={SECRET}", f"--format={URL}"]
    # Any word is part of a name for a migration.
    words = [] if path == ("new", "migration") else [URL, f"{URL}?sslmode=disable", RAW, WORDS]

    for more in (["-h"], ["--help"], ["--nonsense"], *([one] * 9 for one in options + words)):
        ran = raxol_sql(*path, *more)
        assert ran.code == (0 if more[0] in ("-h", "--help") else 2), (more, ran)
        assert not leaks(ran.out + ran.err), more


@pytest.mark.parametrize("word", [URL, RAW, WORDS, f"--url={URL}"])
@pytest.mark.parametrize("group", [[], ["new"], ["server"]])
def test_what_is_no_command_is_not_shown_with_its_password(
    word: str, group: list[str], raxol_sql: RaxolSQL
) -> None:
    ran = raxol_sql(*group, word)

    assert ran.code == 2
    assert not leaks(ran.out + ran.err)
