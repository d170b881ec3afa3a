"""`raxol-sql init`: a project that works, in a folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from raxol_sql.scaffold import project_files

_NEXT = """\
Next:
  raxol-sql setup
  raxol-sql run notes.create title=Milk --write
  raxol-sql run notes.recent limit=5
  RAXOL_ENV=test raxol-sql setup
  python -m pytest"""
_SCRIPT = ".sh"


@click.command()
@click.argument("folder", required=False, default=".", type=click.Path(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before adding files to a folder with files.")
def init(folder: Path, yes: bool) -> None:
    """
    Make a new project in FOLDER, or in this folder, and keep every file that exists.

    Writes raxol_sql.toml, a migration, SQL queries, a module of records, a test and a step for CI,
    which work together as they are. Asks first where the folder has files already.

    \b
    Examples:
      raxol-sql init
      raxol-sql init shop
      raxol-sql init --yes
    """
    root = folder.resolve()
    files = project_files(root.name)
    # A broken link is a file that exists, too.
    kept = [name for name in files if os.path.lexists(root / name)]
    missing = [name for name in files if name not in kept]
    for name in kept:
        click.echo(f"exists    {folder / name}")
    if not missing:
        click.echo("Nothing to write: every file of a new project exists.")
        return
    if not yes and _has_files(root):
        _confirm(root, missing)
    for name in missing:
        _write(root / name, files[name])
        click.echo(f"created   {folder / name}")
    click.echo(_NEXT if root == Path.cwd() else _NEXT.replace("Next:", f"Next:\n  cd {folder}"))


def _has_files(root: Path) -> bool:
    """Return whether a folder has anything in it but hidden files, such as .git or .venv."""
    return root.exists() and any(not name.startswith(".") for name in os.listdir(root))


def _confirm(root: Path, missing: list[str]) -> None:
    """Ask at a terminal whether to write; raise UsageError where there is none."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise click.UsageError(
            f"{root} is not empty, and there is no terminal to ask. Nothing was written. Run "
            f"raxol-sql init --yes to add {', '.join(missing)}; files that exist are kept"
        )
    click.echo(f"{root} is not empty. These files are added, and no other is changed:")
    for name in missing:
        click.echo(f"  {name}")
    click.confirm("Continue?", abort=True)


def _write(path: Path, text: str) -> None:
    """Write a new file; raise FileExistsError where it was created in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
    if path.suffix == _SCRIPT:
        path.chmod(path.stat().st_mode | 0o111)
