"""A folder of migrations: the files, read the way yoyo reads them, checked and put in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import attrs
from yoyo.topologicalsort import CycleError, topological_sort

from raxol_sql.errors import ConfigError, MigrationError
from raxol_sql.migrations.script import Statement, read_script

__all__ = ["MigrationFile", "Statement", "new_migration", "read_folder"]

# What `new` writes. Numbers of equal width sort as text the way they count, and a name without
# blanks is one word of a `-- depends:` line.
NAME = re.compile(r"[0-9]{4}-[a-z0-9]+(?:-[a-z0-9]+)*")
ROLLBACK_SUFFIX = ".rollback.sql"

# Bytes that a file's name may have on the file systems of Linux, macOS and Windows.
LONGEST_FILE_NAME = 255
WORD = re.compile(r"\w*")
TRANSACTION_WORDS = {"abort", "begin", "commit", "end", "rollback", "start"}

UP = """\
-- {title}.{depends}

-- One transaction, unless a line up here says "-- transactional: false"; such a migration must be
-- safe to run again from the start.
"""
DOWN = """\
-- Undoes {id}. Without a statement in here it cannot be rolled back.
"""


@attrs.frozen
class MigrationFile:
    """
    One migration as it stands in the folder.

    ``rollback_hash`` is None where there is no rollback file. The hashes are those of a `Script`:
    of the text, and of the SQL in it without comments.
    """

    id: str
    path: Path
    depends: frozenset[str]
    transactional: bool
    statements: tuple[Statement, ...] = attrs.field(repr=False)
    rollback: tuple[Statement, ...] = attrs.field(repr=False)
    content_hash: str
    rollback_hash: str | None
    code_hash: str = ""

    @property
    def rollback_path(self) -> Path:
        """Where the statements that undo it stand, or would stand."""
        return rollback_of(self.path)

    @property
    def reversible(self) -> bool:
        """Whether there is any statement that undoes it."""
        return bool(self.rollback)


def read_folder(folder: Path) -> tuple[MigrationFile, ...]:
    """
    Every migration in ``folder``, in the order in which yoyo applies them.

    Raises ConfigError if the folder is absent or holds no migration, MigrationError if a file
    cannot be trusted: a bad name, two files of one number, an unknown or circular ``depends``.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"there is no migrations folder {folder}; "
            "name another one, or write the first migration with `raxol-sql new migration NAME`"
        )
    paths = sorted(path for path in folder.iterdir() if path.suffix in {".sql", ".py"})
    ups = [path for path in paths if not path.name.endswith(ROLLBACK_SUFFIX)]
    check_names(ups)
    for path in paths:
        if path.name.endswith(ROLLBACK_SUFFIX) and not up_of(path).exists():
            raise MigrationError(f"{path}: there is no {up_of(path).name} that this would undo")
    if not ups:
        raise ConfigError(
            f"the migrations folder {folder} holds no migration; "
            "write the first one with `raxol-sql new migration NAME`"
        )
    return in_order([read_migration(path) for path in ups])


def check_names(paths: Sequence[Path]) -> None:
    numbers: dict[str, Path] = {}
    for path in paths:
        if path.suffix == ".py":
            raise MigrationError(
                f"{path}: a migration in Python; raxol_sql runs migrations in SQL only"
            )
        if not NAME.fullmatch(path.stem):
            raise MigrationError(
                f"{path}: not a name for a migration; "
                "four digits, then words in lower case: 0001-create-users.sql"
            )
        number = path.stem[:4]
        if number in numbers:
            raise MigrationError(
                f"{path}: number {number} is taken by {numbers[number].name}; "
                "renumber the one that is not applied anywhere yet"
            )
        numbers[number] = path


def read_migration(path: Path) -> MigrationFile:
    script = read_script(path)
    transactional = script.directives.get("transactional", "true").strip().lower()
    if transactional not in {"true", "false"}:
        raise MigrationError(f"{path}: `-- transactional:` is true or false, not {transactional!r}")

    rollback_path = rollback_of(path)
    rollback = read_script(rollback_path) if rollback_path.exists() else None
    file = MigrationFile(
        id=path.stem,
        path=path,
        depends=frozenset(script.directives.get("depends", "").split()),
        transactional=transactional == "true",
        statements=script.statements,
        rollback=rollback.statements if rollback else (),
        content_hash=script.content_hash,
        rollback_hash=rollback.content_hash if rollback else None,
        code_hash=script.code_hash,
    )
    check_transaction_words(file)
    return file


def check_transaction_words(file: MigrationFile) -> None:
    """The transaction is ours: one that the file ends itself could not be undone as a whole."""
    if not file.transactional:
        return
    for path, statements in ((file.path, file.statements), (file.rollback_path, file.rollback)):
        for statement in statements:
            word = WORD.match(statement.text)
            if word and word[0].lower() in TRANSACTION_WORDS:
                raise MigrationError(
                    f"{path}:{statement.line}: `{word[0].lower()}` in a migration that is "
                    "one transaction already; delete it, or say `-- transactional: false` at the "
                    f"top of {file.path.name}"
                )


def in_order(files: Sequence[MigrationFile]) -> tuple[MigrationFile, ...]:
    by_id = {file.id: file for file in files}
    for file in files:
        for unknown in sorted(file.depends - by_id.keys()):
            raise MigrationError(f"{file.path}: depends on {unknown}, and there is no such file")
    try:
        ordered = list(topological_sort(list(by_id), {file.id: file.depends for file in files}))
    except CycleError as error:
        circle = ", ".join(error.args[1])
    else:
        return tuple(by_id[migration_id] for migration_id in ordered)
    raise MigrationError(f"{files[0].path.parent}: these migrations depend on each other: {circle}")


def new_migration(
    folder: Path, name: str, *, up: str | None = None, down: str | None = None
) -> tuple[Path, Path]:
    """
    Two new files in ``folder``: a migration that depends on the latest, and its rollback.

    They are empty, or have the texts ``up``, in which ``{depends}`` is the line that says on what
    it does, and ``down``.

    ``name`` may be words of any case ("Add orders"); the files get the next number. The folder is
    created if only its last part is missing. Nothing is ever overwritten. Needs no server.

    Raises MigrationError if ``name`` makes no file name or the folder is unsound,
    ConfigError if there is nowhere to create the folder.
    """
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    if not words:
        raise MigrationError(f"{name!r} leaves no name for a file; use letters and digits")
    longest = LONGEST_FILE_NAME - len(rollback_of(Path("0000-.sql")).name)
    if len(words) > longest:
        raise MigrationError(
            f"the name has {len(words)} characters, and a file's name has room for {longest}. "
            "Give a shorter one, and write the rest as a comment in the file"
        )
    if not folder.parent.is_dir():
        raise ConfigError(f"there is no folder {folder.parent} for the migrations folder to be in")
    folder.mkdir(exist_ok=True)
    files = read_folder(folder) if any(folder.glob("*.sql")) else ()
    number = max((int(file.id[:4]) for file in files), default=0) + 1
    if number > 9999:
        raise MigrationError(f"{folder}: there is no number of four digits after 9999")

    path = folder / f"{number:04}-{words}.sql"
    depends = f"\n-- depends: {files[-1].id}" if files else ""
    title = words.replace("-", " ").capitalize()
    rollback_path = rollback_of(path)
    for file, text in ((path, up or UP), (rollback_path, down or DOWN)):
        with file.open("x", encoding="utf-8") as new:
            new.write(text.format(title=title, depends=depends, id=path.name))
    return path, rollback_path


def rollback_of(path: Path) -> Path:
    return path.with_name(path.stem + ROLLBACK_SUFFIX)


def up_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(ROLLBACK_SUFFIX) + ".sql")
