"""A project's ``.raxol`` folder: where the files of its server are, and what is remembered."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from attrs import asdict, evolve, frozen

from raxol_sql.config.ownership import is_safe, problem_with
from raxol_sql.embedded.account import OsUser
from raxol_sql.embedded.deadline import Timer
from raxol_sql.errors import EmbeddedError

NAME = ".raxol"
PORT = 5432
_STATE = "server.json"
_OWNER = "project"
# What macOS allows; Linux allows four bytes more.
_LONGEST_SOCKET = 103


@frozen
class State:
    """
    What ``.raxol/server.json`` remembers from one command to the next.

    ``project`` is the project that it was written for, which may have been moved or copied since.
    ``base`` is the directory that stands in for ``.raxol`` where the server's account cannot reach
    that; ``sockets`` one that stands in for the server's own where its path does not fit a socket.
    """

    project: Path | None = None
    version: str = ""
    base: Path | None = None
    sockets: Path | None = None


@frozen
class Folder:
    """
    Where everything of one project's server is.

    ``base`` belongs to the caller; ``home`` in it, of mode 0700, to the account that the server
    runs as, and holds the data, the log and the socket.
    """

    project: Path
    path: Path
    base: Path
    state: State

    @property
    def lock(self) -> Path:
        """The file that the process which starts or stops the server locks."""
        return self.path / "lock"

    @property
    def home(self) -> Path:
        """The directory of the server's account."""
        return self.base / "pg"

    @property
    def data(self) -> Path:
        """The data directory: complete if it exists."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """The file that the server logs to."""
        return self.home / "log"

    @property
    def sockets(self) -> Path:
        """The directory of the server's socket."""
        return self.state.sockets or self.home

    @property
    def socket(self) -> Path:
        """The server's socket."""
        return self.sockets / socket_name()

    @property
    def account(self) -> OsUser:
        """The account that the server runs as, which for an ordinary user is that user."""
        if os.geteuid() != 0:
            return OsUser.current()
        owner = self.home.stat() if self.home.is_dir() else None
        if owner is None or owner.st_uid == 0:
            return OsUser.nobody()
        return OsUser(owner.st_uid, owner.st_gid)

    def remember(self, state: State) -> Folder:
        """This folder with ``state`` written down."""
        state = evolve(state, project=self.project)
        content = {name: value and str(value) for name, value in asdict(state).items()}
        descriptor, unfinished = tempfile.mkstemp(prefix=f"{_STATE}-", dir=self.path)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
        os.replace(unfinished, self.path / _STATE)
        return evolve(self, state=state)

    def furnished(self, deadline: Timer) -> Folder:
        """This folder with a home that the server's account owns and can reach."""
        account, folder = self.account, self
        if not account.is_current:
            # A umask of 077 would close it to the account; .raxol is ours to open.
            self.base.chmod(0o755)
            if not account.can_use(self.base, deadline):
                folder = self._elsewhere(account)
        folder.home.mkdir(mode=0o700, exist_ok=True)
        if folder.home.stat().st_uid != account.uid:
            account.give(folder.home)
        if folder.base != folder.path:
            # After the project has been moved, this is how a copy of it can tell.
            (folder.base / _OWNER).write_text(str(folder.project), encoding="utf-8")
        return folder

    def with_sockets(self) -> Folder:
        """This folder with a directory for the socket, a new one if its own does not do."""
        folder = self.without_sockets()
        if fits_socket(folder.home):
            return folder
        sockets = Path(tempfile.mkdtemp(prefix="raxol_sql-", dir="/tmp"))
        folder.account.give(sockets)
        return folder.remember(evolve(folder.state, sockets=sockets))

    def without_sockets(self) -> Folder:
        """This folder once the directory that stood in for the socket's is gone."""
        sockets = self.state.sockets
        if sockets is None:
            return self
        # Only what a server leaves there, whatever directory the file that remembers it may name.
        with suppress(OSError):
            for name in (socket_name(), f"{socket_name()}.lock"):
                (sockets / name).unlink(missing_ok=True)
            sockets.rmdir()
        return self.remember(evolve(self.state, sockets=None))

    def _elsewhere(self, account: OsUser) -> Folder:
        if self.data.exists():
            raise EmbeddedError(
                f"uid {account.uid}, which the server runs as, cannot reach its data in "
                f"{self.data} any more: make the directories above enterable again"
            )
        base = Path(tempfile.mkdtemp(prefix="raxol_sql-", dir=_place_for(self.project)))
        base.chmod(0o755)
        (base / _OWNER).write_text(str(self.project), encoding="utf-8")
        return evolve(self.remember(evolve(self.state, base=base)), base=base)


def find_folder(project: Path) -> Folder | None:
    """
    The ``.raxol`` folder of the directory ``project``; None if it has none.

    Raises ``EmbeddedError`` if there is no such directory, if the folder belongs to another user,
    or if what it remembers cannot be read.
    """
    project = _checked(project)
    path = project / NAME
    return _opened(project, path) if path.is_dir() else None


def make_folder(project: Path) -> Folder:
    """The ``.raxol`` folder of the directory ``project``, made if it has none; else the same."""
    project = _checked(project)
    path = project / NAME
    try:
        # Without the write bits of a loose umask, with which it would be refused the next time.
        with suppress(FileExistsError):
            path.mkdir(mode=0o755)
        folder = _opened(project, path)
        ignored = path / ".gitignore"
        if not os.path.lexists(ignored):  # nor one that leads elsewhere
            ignored.write_text("*\n", encoding="utf-8")
    except OSError as failure:
        raise EmbeddedError(
            f"the folder {path} cannot be used ({failure.strerror}): "
            "make the project's directory writable, or run this in another one"
        ) from failure
    return folder


def socket_name() -> str:
    """What PostgreSQL calls its socket."""
    return f".s.PGSQL.{PORT}"


def fits_socket(directory: Path) -> bool:
    """Whether a server can have its socket in ``directory``, and clients can name it."""
    # Both sides take a comma for the end of one directory of several, and quotes for quotes.
    fits = len(os.fsencode(directory / socket_name())) <= _LONGEST_SOCKET
    return fits and not set(str(directory)) & set(',"')


def _place_for(project: Path) -> Path:
    # What belongs to a temporary project may go when temporary files go.
    if project.is_relative_to(Path("/tmp").resolve()):
        return Path("/tmp")
    return Path("/var/lib" if os.access("/var/lib", os.W_OK) else "/var/tmp")


def _checked(project: Path) -> Path:
    if sys.platform == "win32":
        raise EmbeddedError(
            "the embedded server does not run on Windows: "
            "use WSL, or configure a PostgreSQL server of your own"
        )
    project = project.resolve()
    if not project.is_dir():
        raise EmbeddedError(f"{project} is not a directory: name the project's directory")
    return project


def _opened(project: Path, path: Path) -> Folder:
    if path.is_symlink():
        raise EmbeddedError(
            f"{path} is a symbolic link, and the server's folder must be a directory: nothing in "
            f"it is used. Remove the link, or run this in the project that it leads to"
        )
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    owner = path.stat().st_uid
    if owner != os.geteuid() and not is_safe(project, os.environ):
        raise EmbeddedError(
            f"{path} belongs to uid {owner} and this process runs as uid {os.geteuid()}: "
            "run this as that user, or remove the folder and with it that user's data"
        )
    # What it remembers is obeyed, and what is in there is run.
    refused = problem_with(path, project, os.environ)
    if refused is not None:
        raise EmbeddedError(refused)
    state = _remembered(path)
    return Folder(project, path, _base(project, path, state), _own_sockets(project, state))


def _remembered(path: Path) -> State:
    file = path / _STATE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        project, base, sockets = (
            Path(content[name]) if content[name] else None
            for name in ("project", "base", "sockets")
        )
        return State(project, str(content["version"]), base, sockets)
    except (FileNotFoundError, NotADirectoryError):
        return State()
    except (OSError, ValueError, TypeError, KeyError) as failure:
        raise EmbeddedError(
            f"{file} cannot be read ({failure}): restore it, or remove it, after which the server "
            "starts with new data if its data was outside of that folder"
        ) from failure


def _base(project: Path, path: Path, state: State) -> Path:
    base = state.base
    if base is None or not base.is_dir():
        return path
    if base.stat().st_uid != path.stat().st_uid or not (base / _OWNER).is_file():
        raise EmbeddedError(
            f"{path / _STATE} names {base}, which this user's raxol_sql has not made: "
            "remove that file"
        )
    owner = Path((base / _OWNER).read_text(encoding="utf-8"))
    # A project that was moved keeps its data; one that was copied leaves them to the original.
    copied = owner != project and _remembered(owner / NAME).base == base
    return path if copied else base


def _own_sockets(project: Path, state: State) -> State:
    if state.sockets is None or state.project is None or state.project == project:
        return state
    try:
        original = _remembered(state.project / NAME)
    except EmbeddedError:
        original = state
    # A copy would take, or remove, the address of its original.
    return evolve(state, sockets=None) if original.sockets == state.sockets else state
