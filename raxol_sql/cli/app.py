"""`raxol-sql`: the commands together, and the reporting of their errors."""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import NoReturn

import click

import raxol_sql
from raxol_sql.cli.check import check
from raxol_sql.cli.command_groups import CommandGroups
from raxol_sql.cli.demo import demo
from raxol_sql.cli.docs import docs
from raxol_sql.cli.failure import report
from raxol_sql.cli.init import init
from raxol_sql.cli.migrate import migrate, migrations, rollback
from raxol_sql.cli.new import new
from raxol_sql.cli.operations.deadlocks import deadlocks
from raxol_sql.cli.operations.diagnose import diagnose
from raxol_sql.cli.operations.drift import drift
from raxol_sql.cli.operations.explain import explain
from raxol_sql.cli.operations.explain_error import explain_error
from raxol_sql.cli.operations.maintain import analyze, reindex, vacuum
from raxol_sql.cli.operations.metrics import metrics
from raxol_sql.cli.operations.ping import ping
from raxol_sql.cli.operations.pool_status import pool_status
from raxol_sql.cli.operations.top import top
from raxol_sql.cli.registry import list_queries, run, show
from raxol_sql.cli.server import config, server
from raxol_sql.cli.setup import setup
from raxol_sql.cli.validate import validate

INTERRUPTED = 130


@click.group(
    cls=CommandGroups,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(raxol_sql.__version__, prog_name="raxol-sql")
def commands() -> None:
    """
    SQL files in, attrs records out.

    Configuration is found in raxol_sql.toml (here or in a folder above) and in the environment;
    `raxol-sql config` shows every value with its origin. Exit codes: 0 fine, 1 findings, 2 usage,
    3 server unreachable, 4 a statement failed.

    \b
    Try:
      raxol-sql demo                        everything once, on its own server
      raxol-sql init                        a project that works, to begin with
      raxol-sql setup                       create the database and its tables
      raxol-sql list                        every query there is
      raxol-sql run users.search limit=5    one of them
      raxol-sql diagnose                    whatever is wrong, with what helps
      raxol-sql top                         what goes on now
    """


for command in (
    *(demo, init, setup, migrate, rollback, migrations, drift, new, config, server),
    *(list_queries, show, run, check, docs, validate),
    *(ping, diagnose, top, pool_status, metrics, explain, explain_error),
    *(vacuum, analyze, reindex, deadlocks),
):
    commands.add_command(command)


def _prepare_streams() -> None:
    """
    Makes both outputs take anything.

    A character that a terminal cannot show is no reason to stop, nor is an output that is closed.
    """
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (open to the end)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 (open to the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def main() -> NoReturn:
    """Runs the command line of this process and ends it with the exit code; never a traceback."""
    # The pool reports each failed attempt to reconnect; the command's own error says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    _prepare_streams()
    try:
        code = commands.main(standalone_mode=False)
    except SystemExit as ended:
        sys.exit(ended.code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        # The reader of the output has closed the pipe. Python would complain when it flushes at
        # exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        sys.exit(report(error))
    sys.exit(code if isinstance(code, int) else 0)
