"""The SQL files below a folder, each with its namespace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

from raxol_sql.errors import DefinitionError
from raxol_sql.text.header import name_problem
from raxol_sql.text.source import Source

SUFFIX = ".sql"
Found = tuple[tuple[str, ...], Source]


def sql_files(root: Path | Traversable, errors: list[DefinitionError]) -> Iterator[Found]:
    """
    Every ``.sql`` file below ``root`` with its namespace, in the order of the names.

    Links are followed. Names that begin with a dot or an underscore are passed over. What cannot
    be read, or cannot be a namespace, is added to ``errors``.
    """
    try:
        is_file, is_folder = root.is_file(), root.is_dir()
    except OSError as error:
        errors.append(_unreadable(error, str(root)))
        return
    if is_file:
        yield from _file(root, str(root), (), errors)
    elif is_folder:
        before = len(errors)
        found = False
        for source in _folder(root, str(root), (), (), errors):
            found = True
            yield source
        if not found and len(errors) == before:
            problem, remedy = f"no {SUFFIX} file in this folder", "name the folder of your queries"
            errors.append(DefinitionError(problem, remedy, str(root)))
    else:
        problem = "a link that leads nowhere" if _is_link(root) else "no such file or folder"
        errors.append(DefinitionError(problem, "name the folder of your queries", str(root)))


def _folder(
    folder: Path | Traversable,
    shown: str,
    namespace: tuple[str, ...],
    above: tuple[tuple[int, int], ...],
    errors: list[DefinitionError],
) -> Iterator[Found]:
    try:
        identity = _identity(folder)
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        errors.append(_unreadable(error, shown))
        return
    if identity in above:
        errors.append(
            DefinitionError("a link to a folder that it lies in", "remove the link", shown)
        )
        return
    if identity is not None:
        above = (*above, identity)
    for entry in entries:
        if entry.name.startswith((".", "_")):
            continue
        path = f"{shown}/{entry.name}"
        try:
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:
            errors.append(_unreadable(error, path))
            continue
        if is_folder:
            yield from _folder(entry, path, (*namespace, entry.name), above, errors)
        elif is_file:
            if entry.name.endswith(SUFFIX):
                yield from _file(entry, path, namespace, errors)
        elif _is_link(entry):
            errors.append(DefinitionError("a link that leads nowhere", "remove the link", path))


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


def _is_link(entry: Path | Traversable) -> bool:
    return isinstance(entry, Path) and entry.is_symlink()


def _identity(folder: Path | Traversable) -> tuple[int, int] | None:
    """What a folder is, whatever the path to it; None where no links can be (in a package)."""
    if not isinstance(folder, Path):
        return None
    status = os.stat(folder)
    return status.st_dev, status.st_ino
