"""What libpq connects with."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import attrs
import psycopg
from psycopg import conninfo

from raxol_sql.config.keys import is_text
from raxol_sql.config.libpq import is_secret
from raxol_sql.config.secret import Secret, without_frames
from raxol_sql.errors import ConfigError

_PLAIN = re.compile(r"[\w./:,@+-]+", re.ASCII)
AskPassword = Callable[[], object]


@attrs.frozen
class Conninfo:
    """
    libpq's parameters for a connection, those that are secret apart from the others.

    ``ask`` gives the password, and is called for each new connection; None where the password does
    not change. Immutable; its repr shows no secret.
    """

    parameters: Mapping[str, str]
    secrets: Mapping[str, Secret] = attrs.field(factory=dict)
    ask: AskPassword | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, given: str | Secret | Conninfo) -> Conninfo:
        """
        The parameters of libpq's connection string or URL.

        Raises psycopg.ProgrammingError, which quotes nothing of it.
        """
        if isinstance(given, Conninfo):
            return given
        given = given if isinstance(given, Secret) else Secret(given)
        try:
            return cls.split(conninfo.conninfo_to_dict(given.reveal()))
        except psycopg.ProgrammingError:
            pass
        raise psycopg.ProgrammingError("the connection string cannot be read")

    @classmethod
    def split(cls, parameters: Mapping[str, Any], ask: AskPassword | None = None) -> Conninfo:
        """The parameters, of which libpq says itself which are secret."""
        secret = {name for name in parameters if is_secret(name)}
        return cls(
            {name: str(value) for name, value in parameters.items() if name not in secret},
            {name: _secret(parameters[name]) for name in sorted(secret)},
            ask,
        )

    def changed(self, **parameters: object) -> Conninfo:
        """The same with some parameters replaced, none of which is secret."""
        changed = {name: str(value) for name, value in parameters.items()}
        return attrs.evolve(self, parameters={**self.parameters, **changed})

    def public(self) -> str:
        """libpq's connection string without the secrets."""
        return _words(self.parameters)

    def revealed(self, public: str | None = None) -> str:
        """libpq's connection string with the secrets: ``public`` stands in for the parameters."""
        secrets = _words({name: secret.reveal() for name, secret in self.secrets.items()})
        return f"{self.public() if public is None else public} {secrets}".strip()

    def with_password(self, password: Secret) -> Conninfo:
        """The same with a password that ``ask`` gave."""
        return attrs.evolve(self, secrets={**self.secrets, "password": password}, ask=None)

    def connect(
        self, kind: type[psycopg.Connection[Any]] = psycopg.Connection, **options: Any
    ) -> psycopg.Connection[Any]:
        """
        A new connection that blocks, of a ``kind``; ``options`` are those of ``psycopg.connect``.

        Raises the driver's errors, without the driver's frames, whose variables hold the password,
        and what ``ask`` raises.
        """
        settled = self if self.ask is None else self.with_password(password_of(self.ask()))
        failure: BaseException
        try:
            return kind.connect(settled.revealed(), **options)
        except BaseException as error:
            failure = without_frames(error)
        raise failure


Given = str | Secret | Conninfo
C = TypeVar("C")


def hide_conninfo(cls: type[C]) -> type[C]:
    """
    A class whose first argument, ``conninfo``, may hold a password, with that hidden.

    What makes the class, and whatever it calls, gets a `Secret` or a `Conninfo`.
    """
    make: Callable[..., None] = cls.__init__

    @functools.wraps(make)
    def hidden(self: C, conninfo: Given, *rest: Any, **named: Any) -> None:
        given = Secret(conninfo) if isinstance(conninfo, str) else conninfo
        del conninfo
        make(self, given, *rest, **named)

    cls.__init__ = hidden  # type: ignore[assignment]
    return cls


def password_of(answer: object) -> Secret:
    """What a password callable returned; raises `ConfigError` for what is no password."""
    if isinstance(answer, Secret):
        return answer
    if isinstance(answer, str) and is_text(answer):
        return Secret(answer)
    kind = type(answer).__name__
    if hasattr(answer, "close") and kind == "coroutine":
        answer.close()
        kind = "a coroutine: an asynchronous one is for AsyncDatabase"
    elif isinstance(answer, str):
        kind = "a text that is not UTF-8, or has a NUL in it"
    del answer
    raise ConfigError(f"the password callable must return a str; it returned {kind}")


def _words(parameters: Mapping[str, str]) -> str:
    # psycopg's own function has libpq read the result, which takes longer than all else here.
    return " ".join(f"{name}={_quoted(value)}" for name, value in parameters.items())


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"


def _secret(value: Any) -> Secret:
    return value if isinstance(value, Secret) else Secret(str(value))
