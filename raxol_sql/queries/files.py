"""Discovery of SQL files below a folder, each with its namespace."""

from __future__ import annotations

import enum
import errno
import os
import stat
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

from raxol_sql.errors import DefinitionError
from raxol_sql.text.header import name_problem
from raxol_sql.text.source import Source

SUFFIX = ".sql"
DEEPEST = 32
Found = tuple[tuple[str, ...], Source]


def sql_files(root: Path | Traversable, errors: list[DefinitionError]) -> Iterator[Found]:
    """
    Yield every ``.sql`` file below ``root`` with its namespace, in the order of the names.

    Links are followed. Names that begin with a dot or an underscore are skipped. Files and folders
    that cannot be read, or whose names cannot be namespaces, are added to ``errors``.
    """
    shown = str(root)
    sort = _sort_of(root, shown, errors)
    if sort is _Sort.FILE:
        yield from _file(root, shown, (), errors)
    elif sort is _Sort.FOLDER:
        before = len(errors)
        found = False
        for source in _folder(root, shown, (), (), errors):
            found = True
            yield source
        if not found and len(errors) == before:
            problem = f"no {SUFFIX} file in this folder"
            errors.append(DefinitionError(problem, _NAME_IT, shown))
    elif sort is not None:
        errors.append(DefinitionError(sort.value, _NAME_IT, shown))


_NAME_IT = "name the folder of your queries"


class _Sort(enum.Enum):
    """The type of a directory entry; the value is for messages."""

    FILE = "a file"
    FOLDER = "a folder"
    NOWHERE = "a link that leads nowhere"
    MISSING = "no such file or folder"
    OTHER = "neither a file nor a folder"


def _folder(
    folder: Path | Traversable,
    shown: str,
    namespace: tuple[str, ...],
    above: tuple[tuple[int, int] | None, ...],
    errors: list[DefinitionError],
) -> Iterator[Found]:
    try:
        identity = _identity(folder)
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        errors.append(_unreadable(error, shown))
        return
    if len(above) == DEEPEST:
        problem = f"folders in folders, more than {DEEPEST} deep"
        errors.append(DefinitionError(problem, "move the queries further up", shown))
        return
    if identity is not None and identity in above:
        errors.append(
            DefinitionError("a link to a folder that it lies in", "remove the link", shown)
        )
        return
    above = (*above, identity)
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        path = f"{shown}/{entry.name}"
        sort = _sort_of(entry, path, errors)
        if sort is _Sort.FOLDER:
            yield from _folder(entry, path, (*namespace, entry.name), above, errors)
        elif entry.name.endswith(SUFFIX) and sort is _Sort.FILE:
            yield from _file(entry, path, namespace, errors)
        elif sort is _Sort.NOWHERE or (entry.name.endswith(SUFFIX) and sort is _Sort.OTHER):
            errors.append(DefinitionError(sort.value, "remove it", path))


def _file(
    file: Path | Traversable,
    shown: str,
    namespace: tuple[str, ...],
    errors: list[DefinitionError],
) -> Iterator[Found]:
    namespace = (*namespace, file.name.removesuffix(SUFFIX))
    for part in namespace:
        if wrong := name_problem(part):
            problem, remedy = wrong
            errors.append(DefinitionError(f"a namespace: {problem}", remedy, shown))
            return
    try:
        yield namespace, Source.decode(shown, file.read_bytes())
    except DefinitionError as error:
        errors.append(error)
    except OSError as error:
        errors.append(_unreadable(error, shown))


def _unreadable(error: OSError, shown: str) -> DefinitionError:
    reason = error.strerror or str(error)
    return DefinitionError(f"cannot be read: {reason}", "let this user read it", shown)


def _sort_of(entry: Path | Traversable, shown: str, errors: list[DefinitionError]) -> _Sort | None:
    """Return the type of ``entry``, following links; None, with an error, if it is unreadable."""
    if not isinstance(entry, Path):
        return _Sort.FOLDER if entry.is_dir() else _Sort.FILE if entry.is_file() else _Sort.MISSING
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return _Sort.NOWHERE if entry.is_symlink() else _Sort.MISSING
        errors.append(_unreadable(error, shown))
        return None
    except ValueError:
        # A name with a NUL in it, which no file can have.
        return _Sort.MISSING
    if stat.S_ISREG(mode):
        return _Sort.FILE
    return _Sort.FOLDER if stat.S_ISDIR(mode) else _Sort.OTHER


def _identity(folder: Path | Traversable) -> tuple[int, int] | None:
    """Return the identity of a folder, or None where links are impossible (in a package)."""
    if not isinstance(folder, Path):
        return None
    status = os.stat(folder)
    return status.st_dev, status.st_ino
