"""What the documents show is what happens."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import raxol_sql as rx
from raxol_sql.cli.app import commands
from raxol_sql.config.keys import KEYS
from raxol_sql.text import Kind
from raxol_sql.text.header import _READERS

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def _blocks(path: Path, language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(path.read_text()) if kind == language]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("README.md", 4),
        ("docs/running.md", 11),
        ("docs/failures.md", 6),
        ("docs/changesets.md", 3),
        ("docs/from_ecto.md", 6),
        ("docs/preloading.md", 5),
        ("docs/telemetry.md", 11),
        ("docs/maintenance.md", 1),
    ],
)
def test_the_python_of_the_documents_runs_as_it_stands(
    repository: Path, accounts_database: str, monkeypatch: pytest.MonkeyPatch, name: str, count: int
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("DATABASE_URL", accounts_database)
    namespace: dict[str, object] = {}
    blocks = _blocks(repository / name, "python")

    for block in blocks:
        exec(compile(block, name, "exec", dont_inherit=True), namespace)

    assert len(blocks) == count


def test_the_first_lines_of_the_readme_print_what_it_shows(
    repository: Path,
    accounts_database: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(repository)
    monkeypatch.setenv("DATABASE_URL", accounts_database)
    readme = repository / "README.md"
    _, lines = _blocks(readme, "python")[:2]

    exec(compile(lines, "README.md", "exec", dont_inherit=True), {})

    assert capsys.readouterr().out == _blocks(readme, "text")[0]


def test_the_mistake_in_the_readme_is_found_as_it_shows(
    repository: Path, accounts_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", accounts_database)
    readme = repository / "README.md"
    (tmp_path / "raxol_sql.toml").write_text('[project]\nrecords = "raxol_sql.demo.accounts"\n')
    (tmp_path / "sql").mkdir()
    sql = _blocks(readme, "sql")[0].replace("name, age", "nmae, age", 1)
    (tmp_path / "sql" / "users.sql").write_text(sql)

    done = CliRunner().invoke(commands, ["check", "--format", "json"], standalone_mode=False)

    [finding] = json.loads(done.stdout)
    shown = _blocks(readme, "text")[1].split()
    assert [word for text in finding.values() for word in text.split() if word not in shown] == []
    assert done.return_value == 1


@pytest.mark.parametrize("name", ["README.md", "docs/sql_files.md"])
def test_the_sql_of_the_documents_loads(name: str, repository: Path, tmp_path: Path) -> None:
    from raxol_sql.demo.accounts import User

    blocks = _blocks(repository / name, "sql")
    for number, block in enumerate(blocks):
        headed = block if "-- name:" in block else f"-- name: q :many\nselect 1\n{block}"
        if headed.lstrip().splitlines()[-1].startswith("order by"):
            headed = headed.replace("select 1", "select 1 from users")
        (tmp_path / f"block{number}.sql").write_text(headed)

    assert len(rx.load(tmp_path, records=[User])) >= len(blocks) > 0


def test_the_commands_of_the_readme_are_the_ones_that_ci_runs(repository: Path) -> None:
    readme = (repository / "README.md").read_text()
    script = (repository / ".ci" / "run").read_text()
    (extraction,) = re.findall(r"command=\$\((sed .*)\)$", script, re.MULTILINE)

    for name in re.findall(r'^run "(.*)"$', script, re.MULTILINE):
        found = subprocess.run(
            ["bash", "-c", f"set -- '{name}'; {extraction}"],
            cwd=repository,
            capture_output=True,
            text=True,
            check=True,
        )
        assert readme.count(f"<!-- {name} -->\n```console\n{found.stdout}```\n<!-- end -->") == 1
        assert "pip install" in found.stdout


def test_every_command_is_in_the_readme_and_has_help(repository: Path) -> None:
    readme = (repository / "README.md").read_text()

    for name, command in commands.commands.items():
        assert re.search(rf"`(raxol-sql )?{name}\b", readme), name
        assert command.help, name


def test_every_key_directive_and_kind_is_documented(repository: Path) -> None:
    configuration = (repository / "docs" / "configuration.md").read_text()
    sql_files = (repository / "docs" / "sql_files.md").read_text()

    assert [key for key in KEYS if f"`{key}`" not in configuration] == []
    assert [word for word in _READERS if f"@{word}" not in sql_files] == []
    assert [kind for kind in Kind if f"`:{kind.value}`" not in sql_files] == []


def test_every_link_between_the_documents_leads_somewhere(repository: Path) -> None:
    documents = [repository / "README.md", repository / "CHANGELOG.md"]
    documents += [*(repository / "docs").glob("*.md"), *(repository / "benchmarks").glob("*.md")]

    for document in documents:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_the_error_in_the_documents_is_the_error(repository: Path, tmp_path: Path) -> None:
    shown = _blocks(repository / "docs" / "sql_files.md", "text")[0].splitlines()
    (tmp_path / "users.sql").write_text("\n" * 11 + "-- name: search :mony\nselect 1\n")

    with pytest.raises(rx.errors.LoadError) as caught:
        rx.load(tmp_path)

    assert str(caught.value.errors[0]).replace(str(tmp_path), "sql").splitlines() == shown


def test_the_help_of_every_command_runs_its_own_examples_words() -> None:
    for command in commands.commands.values():
        for line in (command.help or "").splitlines():
            words = shlex.split(line.split("  ")[-1]) if "raxol-sql " in line else []
            if "raxol-sql" in words:
                named = words[words.index("raxol-sql") + 1]
                assert named in commands.commands, line


def test_python_m_raxol_sql_is_the_same_command(tmp_path: Path) -> None:
    # Not in the checkout, which -m would import in place of what is installed.
    done = subprocess.run(
        [sys.executable, "-m", "raxol_sql", "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == f"raxol-sql, version {rx.__version__}"
