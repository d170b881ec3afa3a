"""`raxol-sql deadlocks`: the deadlocks counted, and the sessions that wait for locks."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import psycopg

from raxol_sql import Database
from raxol_sql.cli.failure import FAILED, FINDINGS
from raxol_sql.cli.output import Output, formatted
from raxol_sql.cli.project import opened
from raxol_sql.config import Config
from raxol_sql.ops.amounts import span
from raxol_sql.ops.hidden import HIDDEN, hidden_sessions, span_or_hidden
from raxol_sql.ops.locks.baseline import read_baseline, write_baseline
from raxol_sql.ops.locks.blocked import Blocked, Branch, Session, blocked, tree
from raxol_sql.ops.locks.deadlocks import DeadlockCount, Growth, growth
from raxol_sql.ops.locks.deadlocks import deadlocks as counted
from raxol_sql.ops.locks.ending import end_blocker


@click.command()
@click.option(
    "--min-wait",
    metavar="S",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Seconds after which a wait is a finding.",
)
@click.option(
    "--since",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Compare with the count in this file, and keep the new one there.",
)
@click.option("--watch", is_flag=True, help="Again and again, until Ctrl-C.")
@click.option("--interval", metavar="S", type=click.FloatRange(min=0.1), help="For --watch: 2.")
@click.option("--count", metavar="N", type=click.IntRange(min=1), help="For --watch: so often.")
@click.option("--terminate", metavar="PID", type=int, help="End this session, which blocks others.")
@click.option("--yes", is_flag=True, help="Do not ask before --terminate.")
@formatted
def deadlocks(
    min_wait: float,
    since: Path | None,
    watch: bool,
    interval: float | None,
    count: int | None,
    terminate: int | None,
    yes: bool,
    output: Output,
) -> int:
    """
    Show the deadlocks that the server counted, and which session blocks which.

    A deadlock is over in a second, as the server ends one of its sessions: only its number stays.
    Exit 1 if a session waits longer than --min-wait, or if the number grew since the last time
    that --since FILE was given. The statements of sessions are shown without their values.

    \b
    Examples:
      raxol-sql deadlocks
      raxol-sql deadlocks --since /var/lib/mine/deadlocks.json --format json
      raxol-sql deadlocks --watch --interval 10
      raxol-sql deadlocks --terminate 4242
    """
    if not watch and (interval is not None or count is not None):
        raise click.UsageError("--interval and --count are for --watch")
    if terminate is not None and (watch or since is not None):
        raise click.UsageError("--terminate goes with neither --watch nor --since")
    config = Config.find()
    before = None if since is None else _kept(since)
    with opened(config, output) as db:
        if terminate is not None:
            return _terminate(db, terminate, yes, output)
        if not watch:
            return _Round(db, min_wait, since, output).show(before)
        rounds = _Round(db, min_wait, since, output)
        return rounds.repeat(before, 2.0 if interval is None else interval, count)


def _kept(since: Path) -> DeadlockCount | None:
    try:
        return read_baseline(since)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


class _Round:
    """One look at the count and at those that wait, and the next one."""

    def __init__(self, db: Database, min_wait: float, since: Path | None, output: Output) -> None:
        self._db = db
        self._min_wait = min_wait
        self._since = since
        self._output = output
        self._seen: DeadlockCount | None = None
        self._code = 0

    def show(self, before: DeadlockCount | None) -> int:
        """Prints what is now, compared with ``before``; gives the exit code of all rounds."""
        now = self._seen = counted(self._db)
        waiting = blocked(self._db)
        grown = growth(before, now) if self._since or before else Growth(None)
        late = [one for one in waiting if (one.seconds or 0) > self._min_wait]
        if late or grown.new:
            self._code = FINDINGS
        if self._output.format == "json":
            self._output.json(_document(now, grown, waiting, len(late)))
        else:
            self._tell(now, grown, waiting, len(late))
        if self._since is not None:
            write_baseline(self._since, now)
        return self._code

    def repeat(self, before: DeadlockCount | None, interval: float, count: int | None) -> int:
        """Shows it every ``interval`` seconds, ``count`` times or until Ctrl-C."""
        left = count
        try:
            while True:
                if self._output.format != "json":
                    self._output.say(f"\n{datetime.now(UTC).isoformat(timespec='seconds')}")
                self.show(before)
                left = None if left is None else left - 1
                if left == 0:
                    break
                before = self._seen
                time.sleep(interval)
        except KeyboardInterrupt:
            # It is how watching ends.
            pass
        return self._code

    def _tell(
        self, now: DeadlockCount, grown: Growth, waiting: tuple[Blocked, ...], late: int
    ) -> None:
        since = f"since {now.since.isoformat(timespec='seconds')}" if now.since else "never reset"
        new = "" if grown.new is None else f", {grown.new} new"
        note = f" ({grown.note})" if grown.note else ""
        what = "1 deadlock" if now.deadlocks == 1 else f"{now.deadlocks} deadlocks"
        self._output.say(f"{what} in {now.name}, {since}{new}{note}")
        if not waiting:
            self._output.say("no lock waits")
            return
        self._output.table(
            ["pid", "waits", "blocked_by", "lock", "relation", "transaction", "state",
             "application", "user", "statement"],
            [_row(branch) for branch in tree(waiting)],
        )  # fmt: skip
        hidden = {one.pid for wait in waiting for one in (wait.session, *wait.by) if one.is_hidden}
        if hidden:
            self._output.say(hidden_sessions(len(hidden), self._db.config.username))
        self._output.say(
            f"{len(waiting)} waiting, {late} of them for more than {self._min_wait:g} s"
        )


def _row(branch: Branch) -> tuple[object, ...]:
    session, waits = branch.session, branch.blocked
    indent = "   " * (branch.depth - 1) + "└─ " if branch.depth else ""
    return (
        f"{indent}{session.pid or session.kind}",
        span_or_hidden(waits.seconds) if waits else "",
        ", ".join(str(by.pid) for by in waits.by) if waits else "",
        f"{waits.mode} on {waits.kind}" if waits else "",
        waits.relation if waits else "",
        HIDDEN if session.is_hidden else _age(session.transaction_seconds),
        HIDDEN if session.is_hidden else session.state,
        session.application or session.kind,
        session.user,
        HIDDEN if session.is_hidden else session.statement,
    )


def _age(seconds: float | None) -> str:
    return "" if seconds is None else span(seconds)


def _document(
    now: DeadlockCount, grown: Growth, waiting: tuple[Blocked, ...], late: int
) -> dict[str, object]:
    return {
        "database": now.name,
        "deadlocks": now.deadlocks,
        "reset_at": now.since,
        "new": grown.new,
        "note": grown.note,
        "waiting_too_long": late,
        "waiting": [
            {
                "session": one.session,
                "blocked_by": one.by,
                "lock": {"kind": one.kind, "mode": one.mode, "relation": one.relation},
                "seconds": one.seconds,
            }
            for one in waiting
        ],
    }


def _terminate(db: Database, pid: int, yes: bool, output: Output) -> int:
    waiting = blocked(db)
    blocker = next((by for one in waiting for by in one.by if by.pid == pid), None)
    if pid <= 0:
        raise click.UsageError("a prepared transaction has no session: rollback prepared ends it")
    if blocker is None:
        click.echo(f"pid {pid} blocks no session in this database: nothing was done", err=True)
        return FINDINGS
    _confirm(blocker, yes)
    freed = sorted({one.session.pid for one in waiting if blocker in one.by})
    try:
        ended = end_blocker(db, blocker)
    except psycopg.errors.InsufficientPrivilege:
        click.echo(
            f"error: this role may not end {blocker}: be a member of the role {blocker.user}, or "
            "of pg_signal_backend; a superuser's session takes a superuser (SQLSTATE 42501)",
            err=True,
        )
        return FAILED
    if ended is None:
        click.echo(f"{blocker} blocks no session in this database: nothing was done", err=True)
        return FINDINGS
    if not ended:
        click.echo(f"error: {blocker} was told to end, and is still there", err=True)
        return FAILED
    if output.format == "json":
        output.json({"terminated": blocker, "was_blocking": freed})
    else:
        output.say(f"ended {blocker}, which blocked {', '.join(map(str, freed))}")
    return 0


def _confirm(blocker: Session, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"--terminate ends {blocker}: say so with --yes")
    click.confirm(f"End {blocker}? What its transaction has done is lost", abort=True, err=True)
