"""What another user can have written is not obeyed, unless its folder is named as safe."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import raxol_sql as rx
from raxol_sql import embedded
from raxol_sql.config.ownership import is_safe

OTHER = 12345
SECRET = "s3cr3t-42"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A project that another user could have made to be found from a folder in it."""
    with tempfile.TemporaryDirectory(prefix="rx") as name:
        root = Path(name).resolve()
        (root / "evil.py").write_text(f"open({str(root / 'ran')!r}, 'w')\n")
        (root / "raxol_sql.toml").write_text(
            f"[project]\nrecords = 'evil'\n[dev]\nhostname = 'evil.example'\npassword='{SECRET}'\n"
        )
        (root / "raxol_sql.toml").chmod(0o644)
        (root / "mine").mkdir()
        yield root


def _refusal(start: Path, **environ: str) -> str:
    with pytest.raises(rx.errors.ConfigError) as caught:
        rx.Config.find(start=start, environ=environ)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_a_file_of_this_user_is_obeyed(folder: Path) -> None:
    assert rx.Config.find(start=folder / "mine", environ={}).hostname == "evil.example"


def test_a_file_of_another_user_is_refused_with_file_owner_and_remedy(folder: Path) -> None:
    file = folder / "raxol_sql.toml"
    os.chown(file, OTHER, OTHER)

    assert _refusal(folder / "mine") == (
        f"{file} belongs to uid {OTHER}, and this process runs as root (uid 0). Nothing in it is "
        f"used. If you trust that user with what you run, set RAXOL_SAFE_DIRECTORY={folder}"
    )


@pytest.mark.parametrize("mode", [0o666, 0o646, 0o777])
def test_a_file_that_others_can_write_is_refused(folder: Path, mode: int) -> None:
    file = folder / "raxol_sql.toml"
    file.chmod(mode)

    assert _refusal(folder).startswith(f"{file} can be written by other users (mode {mode:04o}). ")
    assert f"Run chmod go-w {file}, or" in _refusal(folder)


def test_a_file_that_a_group_of_others_can_write_is_refused(folder: Path) -> None:
    file = folder / "raxol_sql.toml"
    os.chown(file, 0, OTHER)
    file.chmod(0o664)

    assert "can be written by other users (mode 0664)" in _refusal(folder)
    os.chown(file, 0, 0)
    assert rx.Config.find(start=folder, environ={}).hostname == "evil.example"


@pytest.mark.parametrize("is_given_away", [True, False])
@pytest.mark.parametrize("depth", [0, 1])
def test_a_folder_on_the_way_that_others_own_or_can_write_is_refused(
    folder: Path, depth: int, is_given_away: bool
) -> None:
    deep = folder / "mine"
    (folder / "raxol_sql.toml").rename(deep / "raxol_sql.toml")
    above = (deep, folder)[depth]
    if is_given_away:
        os.chown(above, OTHER, OTHER)
    else:
        above.chmod(0o777)

    error = _refusal(deep)

    assert error.startswith(f"{above} ")
    assert f"{deep / 'raxol_sql.toml'} is in there. Nothing in it is used." in error


def test_a_link_is_judged_by_its_owner_and_by_what_it_leads_to(folder: Path) -> None:
    file, link = folder / "raxol_sql.toml", folder / "mine" / "raxol_sql.toml"
    link.symlink_to(file)
    assert rx.Config.find(start=link.parent, environ={}).hostname == "evil.example"

    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    assert f"belongs to uid {OTHER}" in _refusal(link.parent)

    os.chown(link, 0, 0, follow_symlinks=False)
    os.chown(file, OTHER, OTHER)
    assert f"belongs to uid {OTHER}" in _refusal(link.parent)


def test_root_obeys_the_files_of_the_user_who_called_sudo(folder: Path) -> None:
    for path in (folder, folder / "raxol_sql.toml"):
        os.chown(path, OTHER, OTHER)

    assert rx.Config.find(start=folder, environ={"SUDO_UID": str(OTHER)}).hostname
    assert "belongs to" in _refusal(folder, SUDO_UID="1")


def test_a_folder_that_is_named_as_safe_is_obeyed(folder: Path) -> None:
    os.chown(folder / "raxol_sql.toml", OTHER, OTHER)

    for entry in (str(folder), f"/nowhere:{folder}", f"{folder.parent}/*", "*", f"{folder}/"):
        config = rx.Config.find(start=folder / "mine", environ={"RAXOL_SAFE_DIRECTORY": entry})
        assert config.hostname == "evil.example"
    for entry in ("", "mine", str(folder.parent), str(folder / "mine"), f"{folder}x", f"{folder}*"):
        assert "belongs to" in _refusal(folder / "mine", RAXOL_SAFE_DIRECTORY=entry)


def test_a_relative_path_that_is_to_name_a_safe_folder_is_told(folder: Path) -> None:
    os.chown(folder / "raxol_sql.toml", OTHER, OTHER)

    refusal = _refusal(folder / "mine", RAXOL_SAFE_DIRECTORY="mine:/nowhere")

    assert refusal.endswith("RAXOL_SAFE_DIRECTORY takes absolute paths, and not 'mine'.")


def test_an_ending_for_what_is_below_does_not_name_what_is_beside(tmp_path: Path) -> None:
    for name in ("a", "ab"):
        (tmp_path / name / "b").mkdir(parents=True)

    environ = {"RAXOL_SAFE_DIRECTORY": f"{tmp_path}/a/*"}
    assert is_safe(tmp_path / "a" / "b", environ)
    assert is_safe(tmp_path / "a", environ)
    assert not is_safe(tmp_path / "ab", environ)
    assert not is_safe(tmp_path, environ)


@pytest.mark.parametrize("command", [["config"], ["list"], ["ping"], ["server", "status"]])
def test_a_command_runs_nothing_of_it_and_asks_no_host_of_it(
    folder: Path, command: list[str]
) -> None:
    os.chown(folder / "raxol_sql.toml", OTHER, OTHER)

    done = subprocess.run(
        [sys.executable, "-m", "raxol_sql", *command],
        cwd=folder / "mine",
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert f"belongs to uid {OTHER}" in done.stderr
    assert "evil.example" not in done.stdout + done.stderr
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("verb", [embedded.start, embedded.status, embedded.stop])
def test_a_link_in_place_of_the_servers_folder_is_refused_and_its_target_stays(
    tmp_path: Path, verb: object
) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    project = tmp_path / "project"
    project.mkdir()
    (project / ".raxol").symlink_to(target)

    with pytest.raises(rx.errors.EmbeddedError, match=r"\.raxol is a symbolic link"):
        verb(project)  # type: ignore[operator]

    assert target.stat().st_mode & 0o777 == 0o700
    assert list(target.iterdir()) == []


def test_a_servers_folder_that_others_own_or_can_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / ".raxol"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(
        rx.errors.EmbeddedError, match=r"can be written by other users \(mode 0777\)"
    ):
        embedded.status(tmp_path)

    folder.chmod(0o755)
    os.chown(folder, OTHER, OTHER)
    with pytest.raises(rx.errors.EmbeddedError, match=f"belongs to uid {OTHER}"):
        embedded.status(tmp_path)


def test_a_servers_folder_is_made_so_that_it_is_obeyed_the_next_time(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with pytest.raises(rx.errors.EmbeddedError):
            embedded.start(tmp_path, wait=0.0)
    finally:
        os.umask(before)

    assert embedded.status(tmp_path) is None
