"""The configuration of one environment, each value with its origin."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from raxol_sql.config import libpq
from raxol_sql.config.conflict import Conflict
from raxol_sql.config.conninfo import AskPassword, Conninfo
from raxol_sql.config.keys import DATABASES, KEYS, Key
from raxol_sql.config.passwords import MASK, without_passwords
from raxol_sql.config.project import Project
from raxol_sql.config.secret import Hidden, Secret, without_frames
from raxol_sql.config.variables import check_variables
from raxol_sql.errors import ConfigError, did_you_mean

_ARGUMENT, _URL_ARGUMENT, _URL_VARIABLE = "argument", "argument url", "DATABASE_URL"


@attrs.frozen
class Config:
    """
    Where the database is and how it is used. Times are in milliseconds; 0 is no limit.

    ``conflicts`` are the keys of which ``DATABASE_URL`` says something else than the ``RAXOL_DB_*``
    that stands above it: likely one of the two was forgotten.

    ``password`` is a `Secret`, whose ``reveal()`` gives the text, or a callable that is asked for
    each new connection. Immutable. Its repr, and everything made for people, hides the password.
    """

    environment: str
    project: Project
    database: str
    username: str
    password: Secret | AskPassword = attrs.field(repr=False)
    hostname: str
    port: str
    migration_url: Secret | None = attrs.field(repr=False)
    server: str | None
    pool_size: int
    pool_min_size: int
    timeout: int
    idle_timeout: int
    retry_interval: int
    max_retries: int
    retry_jitter: bool
    commit_check: str
    leak_after: int
    prepare: bool
    metrics: bool
    stacktrace: bool
    show_sensitive_data_on_connection_error: bool
    extra: Mapping[str, str | Secret] = attrs.field(repr=False)
    origins: Mapping[str, str] = attrs.field(repr=False)
    conflicts: tuple[Conflict, ...] = ()

    @classmethod
    def find(
        cls,
        url: str | Secret | Conninfo | None = None,
        *,
        start: str | os.PathLike[str] | None = None,
        environ: Mapping[str, str] | None = None,
        **explicit: object,
    ) -> Config:
        """
        The configuration for this process.

        Strongest first: ``explicit`` keys, ``url``, ``RAXOL_DB_*``, ``DATABASE_URL``, libpq's own
        ``PG*`` variables and files, the section of ``raxol_sql.toml`` (found from ``start``
        upwards) that ``RAXOL_ENV`` chooses, its ``[common]``, the defaults.

        ``environ`` stands in for the process's variables, but libpq reads ``PG*`` from the process.

        Raises `ConfigError` for a value that is wrong, naming its origin, for a key or section
        that does not exist, and for an environment other than dev and test without a database.
        """
        given = Hidden(url, start, environ, explicit)
        del url, environ, explicit
        failure: BaseException
        try:
            return cls._found(*given.reveal())
        except BaseException as error:
            # What is read there are texts with passwords in them.
            failure = without_frames(error)
        raise failure

    @classmethod
    def of(cls, given: Hidden) -> Config:
        """As `find`, for a URL and single keys that the caller's own frame does not show."""
        return cls.find(given.reveal()[0], **given.reveal()[1])

    @classmethod
    def _found(
        cls,
        url: str | Secret | Conninfo | None,
        start: str | os.PathLike[str] | None,
        environ: Mapping[str, str] | None,
        explicit: dict[str, object],
    ) -> Config:
        environ = os.environ if environ is None else environ
        project = Project.find(None if start is None else Path(start), environ)
        chosen = environ.get("RAXOL_ENV") or "dev"
        layers = _Layers()
        check_variables(environ)
        layers.defaults(chosen)
        layers.sections(project, chosen)
        in_file = layers.origins.get("server")
        weaker = ["default", _place(project, "common"), in_file]
        for key, (value, origin) in libpq.environment(environ).items():
            layers.set(KEYS[key], value, origin)
        if environ.get(_URL_VARIABLE, "").strip():
            layers.url(environ[_URL_VARIABLE].strip(), _URL_VARIABLE)
        of_url = layers.given_by(_URL_VARIABLE)
        for entry in KEYS.values():
            if entry.variable and entry.variable in environ:
                layers.set(entry, environ[entry.variable], entry.variable)
        if isinstance(url, Conninfo):
            explicit = {"password": url.ask, **explicit} if url.ask else explicit
            url = url.revealed()
        url = url.reveal() if isinstance(url, Secret) else url
        if url is not None:
            if not isinstance(url, str):
                raise TypeError(f"a database is named by a text; not by {type(url).__name__}")
            layers.url(url, _URL_ARGUMENT)
        layers.explicit(explicit)
        moved = any(layers.origins[key] not in weaker for key in ("hostname", "port"))
        elsewhere = moved or libpq.has_address(environ) or layers.names_a_server
        if in_file and elsewhere and layers.origins["server"] == in_file:
            layers.values["server"] = None
        return cls(
            environment=chosen,
            project=project,
            extra=layers.extra,
            origins=layers.origins,
            conflicts=layers.conflicts(of_url),
            **layers.finished(chosen),
        )

    def conninfo(self, **changed: str) -> str:
        """
        libpq's connection string; ``changed`` replaces single parameters of it by libpq's names.

        It holds the password, unless a line of the password file stands above the configured one,
        or the password is a callable. `target` is the same without a text that holds it.
        """
        return self.target(**changed).revealed()

    def target(self, **changed: str) -> Conninfo:
        """What `conninfo` gives, with its secrets hidden and a password callable."""
        parameters: dict[str, Any] = dict(self.extra)
        by_service = "service" in self.extra
        for key in KEYS.values():
            if key.libpq and not (by_service and self.origins[key.name] == "default"):
                parameters[key.libpq] = getattr(self, key.name)
        ask = None if isinstance(self.password, Secret) else self.password
        if ask is not None or self._password_file():
            parameters.pop("password", None)
        return Conninfo.split({**parameters, **changed}, ask)

    def for_migrations(self, url: str | None = None) -> Config:
        """
        The configuration for what has to reach the server itself, past any pooler.

        ``url``, or else ``migration_url``, replaces the parts of the address that it names; without
        both it is this configuration. Raises `ConfigError` for what is no URL.
        """
        given = url or (self.migration_url.reveal() if self.migration_url else "")
        if not given:
            return self
        origin = "--direct-url" if url else self.origins["migration_url"]
        ours, rest = libpq.read_url(given, origin)
        values = {name: KEYS[name].read(value) for name, value in ours.items()}
        secret_rest = {
            name: Secret(text) if libpq.is_secret(name) else text for name, text in rest.items()
        }
        # libpq would take the numeric address of the pooler before the name of the server.
        kept = {
            name: value
            for name, value in self.extra.items()
            if not ("hostname" in ours and name in ("hostaddr", "service"))
        }
        return attrs.evolve(
            self,
            **values,
            server=None,
            extra={**kept, **secret_rest},
            origins={**self.origins, **dict.fromkeys([*ours, *rest], origin)},
        )

    @property
    def leaves_statement_timeout(self) -> bool:
        """Whether libpq's options set a statement_timeout, from a stronger source than ours."""
        options = str(self.extra.get("options") or "") or os.environ.get("PGOPTIONS", "")
        ours = self.origins["timeout"]
        by_argument = self.origins.get("options") == _URL_ARGUMENT and ours != _ARGUMENT
        return "statement_timeout" in options and (by_argument or ours in self._weaker_than_libpq())

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """Each key with its value as a text, the password masked, and its origin."""
        for key in KEYS.values():
            value = getattr(self, key.name)
            origin = self.origins[key.name]
            if self.server == "embedded" and key.name in ("hostname", "port"):
                value, origin = "(the embedded server's)", self.origins["server"]
            if key.name == "migration_url" and value:
                value = libpq.masked_url(value.reveal())
            elif key.secret:
                file = self._password_file()
                value, origin = (MASK, file) if file else (MASK if value else "", origin)
            yield key.name, _shown(value), origin
        for name, value in sorted(self.extra.items()):
            yield name, str(value), self.origins[name]

    def _password_file(self) -> str | None:
        if self.server or self.origins["password"] not in self._weaker_than_libpq():
            return None
        address = {
            "hostname": self.hostname,
            "port": self.port,
            "database": self.database,
            "username": self.username,
        }
        named = self.extra.get("passfile")
        return libpq.password_file(str(named) if named else None, os.environ, address)

    def _weaker_than_libpq(self) -> set[str]:
        return {"default", *(_place(self.project, name) for name in self.project.sections)}


class _Layers:
    """Values and origins while they are put on top of each other, the weakest first."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}
        self.extra: dict[str, str | Secret] = {}
        self.names_a_server = False

    def set(self, key: Key, value: object, origin: str, secret: bool = False) -> None:
        try:
            self.values[key.name] = key.read(value)
        except ValueError as error:
            shown = without_passwords(f"gives {value!r}")
            shown = "is wrong" if key.secret or secret else shown
            raise ConfigError(f"{key.name}: {origin} {shown}: {error}") from None
        self.origins[key.name] = origin

    def defaults(self, environment: str) -> None:
        for key in KEYS.values():
            self.values[key.name] = key.default
            self.origins[key.name] = "default"
        self.values["database"] = DATABASES.get(environment)
        self.values["stacktrace"] = environment == "dev"

    def sections(self, project: Project, environment: str) -> None:
        known = sorted({*DATABASES, "prod", *project.sections} - {"common"})
        if environment not in known:
            nearest = difflib.get_close_matches(environment, known, n=2)
            raise ConfigError(
                f"RAXOL_ENV is {without_passwords(repr(environment))}, and there is no such section"
                f"{did_you_mean(nearest)} (there are: {', '.join(known)})"
            )
        for name in ("common", environment):
            for key, value in project.sections.get(name, {}).items():
                self.set(KEYS[key], value, _place(project, name))

    def url(self, url: str, origin: str) -> None:
        ours, rest = libpq.read_url(url, origin)
        for key, value in ours.items():
            # With a character in it that is not written as %.., a password can end up anywhere.
            self.set(KEYS[key], value, origin, secret=True)
        for name, text in rest.items():
            self.extra[name] = Secret(text) if libpq.is_secret(name) else text
        self.origins.update(dict.fromkeys(rest, origin))
        self.names_a_server = True

    def given_by(self, origin: str) -> dict[str, Any]:
        return {key: value for key, value in self.values.items() if self.origins[key] == origin}

    def conflicts(self, of_url: Mapping[str, Any]) -> tuple[Conflict, ...]:
        """Where a variable of ours, and nothing stronger, has overruled these values."""
        return tuple(
            Conflict(key, self.origins[key], _URL_VARIABLE)
            for key, value in of_url.items()
            if self.origins[key] == KEYS[key].variable and self.values[key] != value
        )

    def explicit(self, given: Mapping[str, object]) -> None:
        for name, value in given.items():
            if name not in KEYS:
                raise ConfigError(f"unknown key {name!r}{libpq.instead_of_key(name)}")
            self.set(KEYS[name], value, _ARGUMENT)

    def finished(self, environment: str) -> dict[str, Any]:
        if self.values["database"] is None:
            raise ConfigError(
                f"no database is named for {environment}: set RAXOL_DB_NAME or DATABASE_URL, "
                f"or database in [{environment}] of raxol_sql.toml"
            )
        if self.values["pool_min_size"] > self.values["pool_size"]:
            if self.origins["pool_min_size"] != "default":
                raise ConfigError(
                    f"pool_min_size ({self.origins['pool_min_size']}) is "
                    f"{self.values['pool_min_size']}, above pool_size "
                    f"({self.origins['pool_size']}), which is {self.values['pool_size']}"
                )
            self.values["pool_min_size"] = self.values["pool_size"]
        return self.values


def _place(project: Project, section: str) -> str:
    return f"{project.file.name if project.file else ''} [{section}]"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
