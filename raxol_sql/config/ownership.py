"""Which files and folders are obeyed: those that no other user can have written."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

if sys.platform != "win32":
    import grp
    import pwd

VARIABLE = "RAXOL_SAFE_DIRECTORY"
_ROOT = 0
_IDS = 2**32 - 1


def problem_with(
    path: Path, folder: Path, environ: Mapping[str, str], status: os.stat_result | None = None
) -> str | None:
    """
    Why ``path`` is not to be obeyed, with the remedy; None if it may be.

    It has to belong to this user or to root (to root also: the user who called sudo), as every
    folder above it, and neither may be writable by other users. A folder with the sticky bit, such
    as /tmp, may be, as only the owner of an entry can replace it. ``environ`` may name ``folder``
    in RAXOL_SAFE_DIRECTORY: then everything in there is obeyed. ``status`` is that of the open
    file, where ``path`` is open.

    On Windows there are no such owners, and nothing is refused.
    """
    if sys.platform == "win32" or is_safe(folder, environ):
        return None
    told = _told(path, status or path.stat(), environ)
    if told is None and path.is_symlink():
        told = _told(path, path.lstat(), environ)
    for above in () if told else _folders_above(path):
        told = _told(above, above.stat(), environ, is_above=above != folder)
        if told:
            break
    if told is None:
        return None
    of = "" if told.startswith(str(path) + " ") else f" {path} is in there."
    relative = [repr(one) for one in _entries(environ) if one != "*" and not os.path.isabs(one)]
    ignored = f" {VARIABLE} takes absolute paths, and not {relative[0]}." if relative else ""
    return f"{told}{of} Nothing in it is used. {_remedy(told, folder)}{ignored}"


def is_safe(folder: Path, environ: Mapping[str, str]) -> bool:
    """Whether RAXOL_SAFE_DIRECTORY names ``folder``: itself, with /* one above it, or all by *."""
    known = {folder, folder.resolve()}
    for entry in _entries(environ):
        if entry == "*":
            return True
        above = entry.removesuffix("/*")
        if not os.path.isabs(above):
            continue
        named = {Path(above), Path(above).resolve()}
        if named & known:
            return True
        if entry.endswith("/*") and any(one in known_as.parents for known_as in known
                                        for one in named):  # fmt: skip
            return True
    return False


def _entries(environ: Mapping[str, str]) -> list[str]:
    return [entry for entry in environ.get(VARIABLE, "").split(os.pathsep) if entry]


def _folders_above(path: Path) -> Iterator[Path]:
    seen = set()
    for start in (path, path.resolve()):
        for folder in start.parents:
            if folder not in seen:
                seen.add(folder)
                yield folder


def _told(
    path: Path, status: os.stat_result, environ: Mapping[str, str], *, is_above: bool = False
) -> str | None:
    me = os.geteuid()
    trusted = {me, _ROOT}
    if me == _ROOT and environ.get("SUDO_UID", "").isdecimal():
        trusted.add(int(environ["SUDO_UID"]))
    if status.st_uid not in trusted and not (is_above and _is_unmapped(status.st_uid)):
        return f"{path} belongs to {_name(status.st_uid)}, and this process runs as {_name(me)}."
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode) or (stat.S_ISDIR(status.st_mode) and mode & stat.S_ISVTX):
        return None
    is_shared = mode & stat.S_IWGRP and not _is_private(status.st_gid, status.st_uid)
    if mode & stat.S_IWOTH or is_shared:
        return f"{path} can be written by other users (mode {mode:04o})."
    return None


def _remedy(told: str, folder: Path) -> str:
    import shlex

    trust = f"{VARIABLE}={shlex.quote(str(folder))}"
    if " belongs to " in told:
        return f"If you trust that user with what you run, set {trust}"
    path = told.partition(" can be written")[0]
    return f"Run chmod go-w {shlex.quote(path)}, or, if you trust those users, set {trust}"


def _name(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def _is_private(gid: int, uid: int) -> bool:
    """Whether a group is that of one user alone, as systems make one for each user, or root's."""
    if gid == _ROOT:
        return True
    try:
        owner = pwd.getpwuid(uid)
        group = grp.getgrgid(gid)
    except KeyError:
        # A container may run as an id that has no name, with files that have no other group.
        return gid == os.getegid()
    return group.gr_name == owner.pw_name and set(group.gr_mem) <= {owner.pw_name}


def _is_unmapped(uid: int) -> bool:
    """Whether this is a user namespace, and the id stands for all that have none in it."""
    try:
        overflow = int(Path("/proc/sys/kernel/overflowuid").read_text())
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except (OSError, ValueError):
        return False
    return uid == overflow and sum(int(line.split()[2]) for line in lines) < _IDS
