"""The account of the operating system that the server's programs run as."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from raxol_sql.embedded.deadline import Timer
from raxol_sql.errors import EmbeddedError

if sys.platform != "win32":  # Importing has to work there: only starting a server says no.
    import pwd


@frozen
class OsUser:
    """A uid and gid; PostgreSQL refuses to run as uid 0."""

    uid: int
    gid: int

    @classmethod
    def current(cls) -> OsUser:
        """The account of this process."""
        return cls(os.geteuid(), os.getegid())

    @classmethod
    def nobody(cls) -> OsUser:
        """The system's account without rights, which serves where root may not."""
        try:
            entry = pwd.getpwnam("nobody")
        except KeyError:
            return cls(65534, 65534)
        return cls(entry.pw_uid, entry.pw_gid)

    @property
    def is_current(self) -> bool:
        """Whether this process runs as this account already."""
        return self.uid == os.geteuid()

    def run(
        self,
        command: list[str],
        *,
        deadline: Timer,
        environment: Mapping[str, str] | None = None,
        text: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """
        Run ``command`` as this account with ``text`` on its standard input, and wait for its end.

        It gets ``environment`` and next to nothing of the caller's: neither ``PG*`` variables,
        which would change what PostgreSQL's programs do, nor secrets, which would stay readable
        for as long as the server lives. Its own session keeps Ctrl-C in the caller's terminal
        away from it. Raises ``EmbeddedError`` if it cannot be run, or is not done in time.
        """
        try:
            return subprocess.run(
                command,
                input=text,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                cwd="/",
                env=_surroundings(os.environ) | dict(environment or {}),
                user=None if self.is_current else self.uid,
                group=None if self.is_current else self.gid,
                extra_groups=None if self.is_current else [],
                start_new_session=True,
                timeout=deadline.left(),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise EmbeddedError(
                f"{command[0]} was not done in time and has been ended; try again with more time"
            ) from None
        except (OSError, subprocess.SubprocessError) as failure:
            raise EmbeddedError(
                f"{command[0]} cannot be run as uid {self.uid}: {failure}; "
                "run this as an ordinary user who may run that program"
            ) from failure

    def can_use(self, path: Path, deadline: Timer) -> bool:
        """Whether this account can reach, read and execute (or list and enter) ``path``."""
        # The kernel is asked, as that account: mode bits are not all that decides (ACLs, mounts).
        command = ["/bin/sh", "-c", 'test -r "$1" && test -x "$1"', "sh", str(path)]
        return self.run(command, deadline=deadline).returncode == 0

    def give(self, path: Path) -> None:
        """Make ``path``, which this process has just created, this account's own."""
        if not self.is_current:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def _surroundings(caller: Mapping[str, str]) -> dict[str, str]:
    kept = {name: caller[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in caller}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"} | kept
