"""A password arrives whole wherever it was written, and is shown nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

import raxol_sql as rx
from raxol_sql import server
from raxol_sql.config import libpq

Write = Callable[[str], Path]
ANYWHERE = Path("/")
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(texts)
@example("@ / % : space ' \\ \" ? # & = +")
@example("%41")
def test_any_password_arrives_whole(password: str) -> None:
    url = f"postgresql://u:{quote(password, safe='')}@h/d"
    for config in (
        rx.Config.find(start=ANYWHERE, environ={"DATABASE_URL": url}),
        rx.Config.find(url, start=ANYWHERE, environ={}),
        rx.Config.find(make_conninfo(password=password), start=ANYWHERE, environ={}),
        rx.Config.find(start=ANYWHERE, environ={"RAXOL_DB_PASS": password}),
        rx.Config.find(start=ANYWHERE, environ={}, password=password),
    ):
        assert config.password == password
        assert conninfo_to_dict(config.conninfo())["password"] == password


@given(texts, texts, texts)
def test_any_name_arrives_whole(database: str, user: str, host: str) -> None:
    config = rx.Config.find(
        start=ANYWHERE, environ={}, database=database, username=user, hostname=host
    )

    made = conninfo_to_dict(config.conninfo())

    assert (made["dbname"], made["user"], made["host"]) == (database, user, host)
    assert conninfo_to_dict(config.conninfo(dbname="other"))["dbname"] == "other"


PLACES = ["section", "PGPASSWORD", "DATABASE_URL", "RAXOL_DB_PASS", "url", "argument"]
secrets = st.text("abcXYZ019-_", min_size=8).map(lambda text: f"s3cr3t{text}")


def _everything_shown(config: rx.Config) -> str:
    described = [part for row in config.describe() for part in row]
    return " ".join([repr(config), str(config), server.describe(config), *described])


@pytest.mark.parametrize("place", PLACES)
def test_a_password_is_shown_nowhere(
    project: Write, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    secret = "s3cr3t-42"
    folder = project(f"[dev]\npassword = '{secret}'\n" if place == "section" else "")
    url = f"postgresql://u:{secret}@h/d?sslpassword={secret}"
    if place in ("PGPASSWORD", "RAXOL_DB_PASS"):
        monkeypatch.setenv(place, secret)
    elif place == "DATABASE_URL":
        monkeypatch.setenv(place, url)
    explicit = {"password": secret} if place == "argument" else {}

    def find(**more: object) -> rx.Config:
        return rx.Config.find(url if place == "url" else None, start=folder, **{**explicit, **more})

    config = find()
    assert config.password == secret
    assert secret not in _everything_shown(config)
    assert ("password", "********") in [row[:2] for row in config.describe()]
    for wrong in ({"pool_size": -1}, {"pool_min_size": 99}, {"nothing": 1}):
        with pytest.raises(rx.errors.ConfigError) as caught:
            find(**wrong)
        assert secret not in str(caught.value)


@given(secrets, st.sampled_from(["{}", "a@{}", "a/{}", "1/{}", "1:{}", "{}%zz", "[{}", "a?{}"]))
def test_a_url_that_is_not_quoted_right_shows_no_password(secret: str, form: str) -> None:
    for url in (
        f"postgresql://u:{form.format(secret)}@h/d",
        f"postgresql://u:{form.format(secret)}@h:port/d",
        f"postgresql://user:{secret}",
        f"host=h password={form.format(secret)} '",
        f"mysql://u:{secret}@h/d",
        f"postgresql://u:\0{secret}@h/d",
        f"postgresql://u:\udcff{secret}@h/d",
    ):
        try:
            shown = _everything_shown(rx.Config.find(url, start=ANYWHERE, environ={}))
        except rx.errors.ConfigError as error:
            shown = str(error)
        assert secret not in shown


@pytest.mark.parametrize("value", [7, None, b"s3cr3t", "s3cr3t\0", "s3cr3t\udcff", ["s3cr3t"]])
def test_a_wrong_password_is_named_and_not_shown(value: object) -> None:
    with pytest.raises(
        rx.errors.ConfigError, match=r"^password: argument is wrong: give a text"
    ) as caught:
        rx.Config.find(start=ANYWHERE, environ={}, password=value)

    assert "s3cr3t" not in str(caught.value)


def test_an_empty_password_is_set_to_empty() -> None:
    config = rx.Config.find(start=ANYWHERE, environ={"RAXOL_DB_PASS": ""})

    assert (config.password, config.origins["password"]) == ("", "RAXOL_DB_PASS")
    assert "password" not in conninfo_to_dict(config.conninfo()) or (
        conninfo_to_dict(config.conninfo())["password"] == ""
    )


@pytest.fixture
def pgpass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Writes a password file, and names it to libpq."""

    def write(text: str, mode: int = 0o600) -> Path:
        file = tmp_path / "passwords"
        file.write_text(text)
        file.chmod(mode)
        monkeypatch.setenv("PGPASSFILE", str(file))
        return file

    return write


def _has_password(config: rx.Config) -> bool:
    return "password" in conninfo_to_dict(config.conninfo())


def test_a_line_of_the_password_file_beats_a_section_and_the_default(
    project: Write, pgpass: Callable[..., Path]
) -> None:
    file = pgpass("h:5432:raxol_dev:postgres:s3cr3t-42\n")
    for text in ("[dev]\nhostname='h'\npassword='x'", "[common]\npassword='x'\nhostname='h'"):
        config = rx.Config.find(start=project(text), environ={})

        assert not _has_password(config)
        assert ("password", "********", str(file)) in list(config.describe())


def test_what_is_stronger_than_libpq_beats_the_password_file(
    tmp_path: Path, pgpass: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pgpass("*:*:*:*:s3cr3t-42\n")
    for environ in ({"DATABASE_URL": "postgresql://u:p@h/d"}, {"RAXOL_DB_PASS": "p"}):
        config = rx.Config.find(start=tmp_path, environ=environ)
        assert conninfo_to_dict(config.conninfo())["password"] == "p"
        assert config.origins["password"] in [row[2] for row in config.describe()]
    monkeypatch.setenv("PGPASSWORD", "p")
    assert _has_password(rx.Config.find(start=tmp_path))


def test_a_url_without_a_password_leaves_it_to_the_password_file(
    tmp_path: Path, pgpass: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pgpass("h:5432:d:u:s3cr3t-42\n")
    assert not _has_password(rx.Config.find("postgresql://u@h/d", start=tmp_path, environ={}))
    monkeypatch.delenv("PGPASSFILE")
    url = "postgresql://u@h/d"
    assert _has_password(rx.Config.find(url, start=tmp_path, environ={}))
    assert not _has_password(rx.Config.find(f"{url}?passfile={file}", start=tmp_path, environ={}))
    file.rename(tmp_path / ".pgpass")
    assert not _has_password(rx.Config.find(url, start=tmp_path, environ={}))


def test_one_line_for_one_of_several_hosts_is_enough(
    tmp_path: Path, pgpass: Callable[..., Path]
) -> None:
    pgpass("b:2:*:*:s3cr3t-42\n")

    def find(hosts: str) -> rx.Config:
        return rx.Config.find(f"postgresql://u@{hosts}/d", start=tmp_path, environ={})

    assert not _has_password(find("a:1,b:2"))
    assert _has_password(find("a:2,b:1"))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_password_file_that_others_may_read_is_ignored_as_by_libpq(
    tmp_path: Path, pgpass: Callable[..., Path], mode: int
) -> None:
    pgpass("*:*:*:*:s3cr3t-42\n", mode)

    assert _has_password(rx.Config.find(start=tmp_path, environ={}))


def test_the_colons_of_an_address_need_no_backslash(
    tmp_path: Path, pgpass: Callable[..., Path]
) -> None:
    pgpass("::1:5432:*:*:s3cr3t-42\n")

    assert not _has_password(rx.Config.find("postgresql://u@[::1]/d", start=tmp_path, environ={}))
    assert _has_password(rx.Config.find("postgresql://u@[::2]/d", start=tmp_path, environ={}))


fields = st.text("ab:\\*# é", min_size=1, max_size=4)
wanted = st.fixed_dictionaries(
    {
        "hostname": fields | st.sampled_from(["localhost", "/elsewhere"]),
        "port": st.sampled_from(["1", "2"]),
        "database": fields,
        "username": fields,
    }
)
raw = st.text("ab:\\*#12 é\t", max_size=20)


@given(wanted, st.lists(raw, max_size=3), st.integers(0, 15), st.booleans(), st.data())
@settings(max_examples=100)
def test_the_password_file_is_read_as_libpq_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    wanted: dict[str, str],
    lines: list[str],
    starred: int,
    other: bool,
    data: st.DataObject,
) -> None:
    written = [value.replace("\\", "\\\\").replace(":", "\\:") for value in wanted.values()]
    empty = [":".join([*written, ""])] if data.draw(st.booleans()) else []
    written = ["*" if starred & 1 << at else field for at, field in enumerate(written)]
    if other:
        at = data.draw(st.integers(0, 3))
        written[at] = data.draw(raw)
    lines = [*lines, *empty, ":".join([*written, "password"])]
    file = tmp_path_factory.getbasetemp() / "pgpass-read-by-both"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    file.chmod(0o600)

    ours = libpq.password_file(str(file), {}, wanted)

    # Nothing listens there; the password file is read before that is found out.
    connection = pq.PGconn.connect_start(
        make_conninfo(
            host=wanted["hostname"],
            hostaddr="127.0.0.1",
            port=wanted["port"],
            dbname=wanted["database"],
            user=wanted["username"],
            passfile=str(file),
        ).encode()
    )
    try:
        assert (ours is not None) == bool(connection.password)
    finally:
        connection.finish()


def test_no_test_here_reads_the_password_file_of_its_user(tmp_path: Path) -> None:
    assert os.environ["HOME"] == str(tmp_path)
    assert libpq.password_file(None, {}, {"hostname": "h", "port": "1"}) is None
