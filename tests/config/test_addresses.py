"""Which server is meant: by a URL, by single values, or the embedded one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

import raxol_sql as rx
from raxol_sql import server

Write = Callable[[str], Path]
ANYWHERE = Path("/")
EMBEDDED = "[dev]\nserver = 'embedded'\nhostname = 'in-section'\n"


def _address(url: str) -> tuple[str, ...]:
    config = rx.Config.find(url, start=ANYWHERE, environ={})
    return config.username, config.password, config.hostname, config.port, config.database


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:p@h:7/d",
        "postgres://u:p@h:7/d",
        "postgresql+psycopg://u:p@h:7/d",
        "postgresql+asyncpg://u:p@h:7/d",
        "postgres+psycopg2://u:p@h:7/d",
        "postgresql://h:7/d?user=u&password=p",
        "postgresql:///d?host=h&port=7&user=u&password=p",
        "host=h port=7 user=u password=p dbname=d",
        "dbname='d' host = h port=7 user=u password='p'",
    ],
)
def test_every_form_of_a_url_is_understood(url: str) -> None:
    assert _address(url) == ("u", "p", "h", "7", "d")


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://h/d", "h", "5432"),
        ("postgresql://h:/d", "h", "5432"),
        ("postgresql:///d", "localhost", "5432"),
        ("postgresql:///d?host=&port=", "localhost", "5432"),
        ("postgresql://[::1]:7/d", "::1", "7"),
        ("postgresql://%2Fvar%2Frun/d", "/var/run", "5432"),
        ("postgresql:///d?host=/var/run", "/var/run", "5432"),
        ("postgresql://a:1,b:2/d", "a,b", "1,2"),
        ("postgresql://a:1,b/d", "a,b", "1,5432"),
        ("postgresql://a,b/d", "a,b", "5432,5432"),
        ("host=a,b port=7", "a,b", "7"),
        ("", "localhost", "5432"),
    ],
)
def test_hosts_and_ports_are_read_as_libpq_reads_them(url: str, host: str, port: str) -> None:
    config = rx.Config.find(url, start=ANYWHERE, environ={}, database="d")

    assert (config.hostname, config.port) == (host, port)
    made = conninfo_to_dict(config.conninfo())
    assert (made["host"], made["port"]) == (host, port)


def test_an_empty_name_of_a_database_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("postgresql+psycopg:///", "postgresql://h/", "host=h dbname=''"):
        assert rx.Config.find(url, start=ANYWHERE, environ={}).database == "raxol_dev"


@pytest.mark.parametrize(
    "url",
    [
        *("nonsense", "mysql://h/d", "postgresql://u:p@h:x/d", "postgresql://u:p%zz@h/d", "a=b"),
        *("postgresql://u:p@q@h/d", "postgresql://u:p/q@h/d", "postgresql://h/d?nothing=1"),
        *("postgresql://h/d\0", "postgresql://h/\udcff", "postgresql://h/d%00", "host='h"),
        *("postgresql://h:0/d", "postgresql://h:65536/d", "postgresql://h:-1/d"),
    ],
)
@pytest.mark.parametrize("origin", ["DATABASE_URL", "argument url"])
def test_what_is_no_url_is_an_error_that_names_its_origin(url: str, origin: str) -> None:
    environ = {"DATABASE_URL": url if origin == "DATABASE_URL" else ""}
    argument = url if origin == "argument url" else None

    with pytest.raises(rx.errors.ConfigError, match=origin) as caught:
        rx.Config.find(argument, start=ANYWHERE, environ=environ)

    assert url not in str(caught.value)


def test_the_rest_of_a_url_goes_to_libpq_and_is_described() -> None:
    url = "postgresql://h/d?sslmode=require&application_name=a%26b&sslpassword=s&connect_timeout=3"

    config = rx.Config.find(url, start=ANYWHERE, environ={})

    made = conninfo_to_dict(config.conninfo())
    assert (made["sslmode"], made["application_name"]) == ("require", "a&b")
    described = {name: (value, origin) for name, value, origin in config.describe()}
    assert described["sslmode"] == ("require", "argument url")
    assert described["connect_timeout"] == ("3", "argument url")
    assert described["sslpassword"] == ("********", "argument url")


def test_another_database_of_the_server_has_the_same_address() -> None:
    config = rx.Config.find("postgresql://u:p@a,b/d?sslmode=require", start=ANYWHERE, environ={})

    same, other = server.conninfo(config), server.conninfo(config, "postgres")

    assert conninfo_to_dict(same)["dbname"] == "d"
    assert conninfo_to_dict(other) == {**conninfo_to_dict(same), "dbname": "postgres"}


def test_a_stronger_url_keeps_the_parameters_of_a_weaker_one() -> None:
    environ = {"DATABASE_URL": "postgresql://h/d?sslmode=require&application_name=weak"}

    config = rx.Config.find(
        "postgresql:///e?application_name=strong", start=ANYWHERE, environ=environ
    )

    assert (config.hostname, config.database) == ("h", "e")
    assert config.extra == {"sslmode": "require", "application_name": "strong"}


@pytest.mark.parametrize(
    "environ",
    [
        *({}, {"PGUSER": "u"}, {"PGDATABASE": "d"}, {"PGPASSWORD": "p"}, {"PGSERVICE": "names"}),
        *({"RAXOL_DB_NAME": "d"}, {"RAXOL_DB_USER": "u"}, {"RAXOL_DB_PASS": "p"}),
        *({"RAXOL_DB_POOL_SIZE": "3"}, {"DATABASE_URL": ""}),
    ],
)
def test_names_and_passwords_leave_the_embedded_server_in_use(
    project: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environ: dict[str, str]
) -> None:
    _set(monkeypatch, tmp_path, environ)

    config = rx.Config.find(start=project(EMBEDDED), database="d", username="u", password="p")

    assert config.server == "embedded"
    assert server.describe(config) == f"the embedded server of {config.project.root}"
    described = {name: (value, origin) for name, value, origin in config.describe()}
    assert described["hostname"] == ("(the embedded server's)", "raxol_sql.toml [dev]")


@pytest.mark.parametrize(
    "environ",
    [
        *({"PGHOST": "h"}, {"PGPORT": "7"}, {"PGHOSTADDR": "127.0.0.1"}, {"PGSERVICE": "host"}),
        *({"DATABASE_URL": "postgresql://h/d"}, {"DATABASE_URL": "postgresql:///d"}),
        *({"PGSERVICE": "address"}, {"PGSERVICE": "names", "PGHOSTADDR": "127.0.0.1"}),
        *({"RAXOL_DB_HOST": "h"}, {"RAXOL_DB_PORT": "7"}, {"RAXOL_DB_HOST": "in-section"}),
    ],
)
def test_whatever_names_a_server_is_used_instead_of_the_embedded_one(
    project: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environ: dict[str, str]
) -> None:
    _set(monkeypatch, tmp_path, environ)

    config = rx.Config.find(start=project(EMBEDDED))

    assert config.server is None
    assert server.describe(config) == f"{config.hostname}:{config.port}"
    assert rx.Config.find(start=project(EMBEDDED), server="embedded").server == "embedded"


@pytest.mark.parametrize("explicit", [{"hostname": "h"}, {"port": 7}, {"port": "5432"}])
def test_an_argument_that_names_a_server_does_so_too(
    project: Write, explicit: dict[str, object]
) -> None:
    folder = project(EMBEDDED)

    assert rx.Config.find(start=folder, environ={}, **explicit).server is None
    assert rx.Config.find("postgresql:///d", start=folder, environ={}).server is None


def test_a_section_that_names_a_server_is_stronger_than_an_embedded_one_for_all(
    project: Write,
) -> None:
    folder = project(
        "[common]\nserver = 'embedded'\nport = 7\n"
        "[dev]\npool_size = 3\n[prod]\nhostname = 'db'\ndatabase = 'd'\n"
    )

    def find(environment: str) -> str | None:
        return rx.Config.find(start=folder, environ={"RAXOL_ENV": environment}).server

    assert (find("dev"), find("prod")) == ("embedded", None)
    assert rx.Config.find(start=project("[common]\nhostname='h'\n" + EMBEDDED)).server == "embedded"


def _set(monkeypatch: pytest.MonkeyPatch, folder: Path, environ: dict[str, str]) -> None:
    services = (
        "[host]\nhost=in-service\n[address]\nhostaddr=127.0.0.1\n"
        "[names]\nuser=in-service\ndbname=in-service\n"
    )
    (folder / "services").write_text(services)
    monkeypatch.setenv("PGSERVICEFILE", str(folder / "services"))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
