"""The project that a `raxol_sql.toml` describes."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from raxol_sql.config.keys import KEYS
from raxol_sql.config.libpq import instead_of_key
from raxol_sql.config.ownership import problem_with
from raxol_sql.config.passwords import without_passwords
from raxol_sql.config.secret import Secret, without_frames
from raxol_sql.errors import ConfigError, did_you_mean

FILE_NAME = "raxol_sql.toml"
_DEFAULTS = {"queries": "sql", "migrations": "migrations", "records": None}


@attrs.frozen(eq=False, repr=False)
class Project:
    """
    A project's folder, its ``[project]`` paths, and its sections as they are written.

    ``records`` is the name of the module whose attrs classes the headers name, or None. ``file``
    is None where no file was found: then the defaults hold, below the working folder.
    """

    root: Path
    queries: Path
    migrations: Path
    records: str | None = None
    file: Path | None = None
    # There may be a password in them.
    sections: dict[str, dict[str, Any]] = attrs.field(factory=dict, repr=False)

    @classmethod
    def find(cls, start: Path | None = None, environ: Mapping[str, str] | None = None) -> Project:
        """
        The project of the nearest ``raxol_sql.toml``, in ``start`` (the working folder) or above.

        Raises `ConfigError` for a file that cannot be read, for sections and keys that do not
        exist, and for a file that another user can have written, unless RAXOL_SAFE_DIRECTORY in
        ``environ`` (the process's variables) names its folder.
        """
        failure: BaseException
        try:
            return cls._nearest((start or Path.cwd()).resolve(), environ)
        except BaseException as error:
            # The variables of those frames hold the file, and the file may hold a password.
            failure = without_frames(error)
        raise failure

    @classmethod
    def _nearest(cls, start: Path, environ: Mapping[str, str] | None) -> Project:
        for folder in (start, *start.parents):
            file = folder / FILE_NAME
            if file.is_file():
                return cls.read(file, environ)
            if os.path.lexists(file):
                raise ConfigError(f"{file} is no file that can be read")
        return cls(start, start / "sql", start / "migrations")

    @classmethod
    def read(cls, file: Path, environ: Mapping[str, str] | None = None) -> Project:
        """The project of one file; raises `ConfigError` as `find` does."""
        import tomllib  # only where there is a file

        document: dict[str, Any] = {}
        wrong = refused = None
        try:
            with file.open("rb") as opened:
                # Of the open file: its name may lead to another one at any moment.
                status = os.fstat(opened.fileno())
                refused = problem_with(
                    file, file.parent, os.environ if environ is None else environ, status
                )
                if refused is None:
                    document = tomllib.loads(opened.read().decode("utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            wrong = str(error)
        if refused is not None:
            raise ConfigError(refused)
        if wrong is not None:
            # Not in there: the first error would come along, and with it the whole file.
            raise ConfigError(f"{file}: {wrong}")
        given = _section(file, "project", document.pop("project", {}), list(_DEFAULTS))
        for key, value in given.items():
            if not isinstance(value, str) or not value:
                raise ConfigError(f"{file} [project] {key}: give a text that is not empty")
        paths = {**_DEFAULTS, **given}
        root = file.parent
        return cls(
            root=root,
            queries=root / str(paths["queries"]),
            migrations=root / str(paths["migrations"]),
            records=paths["records"],
            file=file,
            sections={
                name: _section(file, name, section, list(KEYS))
                for name, section in document.items()
            },
        )


def _section(file: Path, name: str, section: object, known: list[str]) -> dict[str, Any]:
    if not isinstance(section, dict):
        raise ConfigError(
            f"{file}: {without_passwords(repr(name))} stands outside of a section; put it below "
            "[common], [dev] ..."
        )
    for key in section:
        if key not in known:
            near = did_you_mean(difflib.get_close_matches(key, known, n=2))
            instead = near if name == "project" else instead_of_key(key)
            unknown = f"unknown key {without_passwords(repr(key))}{instead}"
            raise ConfigError(f"{file} [{name}]: {unknown}")
    secret = [name for name in section if name in KEYS and KEYS[name].secret]
    hidden = {name: Secret(section[name]) for name in secret if isinstance(section[name], str)}
    return {**section, **hidden}
