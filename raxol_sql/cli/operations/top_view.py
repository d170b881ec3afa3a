"""A moment of a server as a screen full of tables, the most important first."""

from __future__ import annotations

from collections.abc import Iterable

import attrs
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raxol_sql.cli.operations.figures import UNKNOWN, age, milliseconds, number, percent
from raxol_sql.cli.operations.panels import Bar, Column, Section, line, shared_out
from raxol_sql.cli.output import one_line
from raxol_sql.ops.activity.activity import Moment, Pool, Server, Session, Wait
from raxol_sql.ops.activity.naming import Label
from raxol_sql.ops.activity.rates import QueryRate, Rates
from raxol_sql.ops.amounts import counted
from raxol_sql.ops.amounts import size as size_in_units

# From this width on there are columns for what can be done without.
_WIDE = 110
_IN_TRANSACTION = "idle in transaction"
_STATES = {
    "active": ("active", "green"),
    "waiting": ("waiting", "bold red"),
    _IN_TRANSACTION: ("idle in trans.", "yellow"),
    f"{_IN_TRANSACTION} (aborted)": ("aborted trans.", "yellow"),
    "fastpath function call": ("active", "green"),
}


@attrs.frozen
class Frame:
    """
    What is to be shown: a moment, and what happened in the interval before it, where that is known.

    ``every`` is the interval in seconds. ``trouble`` says why there is no newer moment, ``note`` is
    said of the queries.
    """

    moment: Moment
    rates: Rates | None
    every: float
    trouble: str = ""
    note: str = ""
    is_paused: bool = False


def view(frame: Frame, width: int, height: int | None = None) -> RenderableType:
    """
    The picture of ``frame``, for that many columns and lines, or all lines without a ``height``.

    With a height it ends with a line of the keys that can be pressed.
    """
    sections = [
        _waits(frame.moment, width),
        _queries(frame),
        _sessions(frame.moment, width),
        _pools(frame.moment),
    ]
    head = _head(frame)
    if height is None:
        counts = [len(section.rows) for section in sections]
    else:
        head = head[: height - 1]
        sections = sections[: height - 1 - len(head)]
        counts = shared_out(height - 1 - len(head), sections)
    parts = [*head]
    for section, count in zip(sections, counts, strict=True):
        parts.extend(section.render(count))
    if height is not None:
        used = len(head) + sum(map(Section.height, sections, counts))
        parts.extend([Text("")] * max(0, height - used - 1))
        parts.append(_foot(frame))
    return Group(*parts)


def _head(frame: Frame) -> list[RenderableType]:
    moment, server = frame.moment, frame.moment.server
    lines: list[RenderableType] = [
        line(
            Text.assemble(
                (one_line(server.database), "bold cyan"),
                f"  PostgreSQL {one_line(server.version)}, {role(server)}, up ",
                age((server.at - server.started_at).total_seconds()),
            ),
            Text(f"{server.at:%H:%M:%S}, every {frame.every:g} s", style="dim"),
        )
    ]
    if frame.trouble:
        lines.append(line(Text(one_line(frame.trouble), style="bold red"), Text("")))
    rates = frame.rates or Rates(0.0)
    lines.append(_connections(moment, rates))
    lines.append(_states(moment))
    lines.append(_per_second(server, rates))
    if hidden := sum(one.hidden for one in moment.pools):
        said = f"{UNKNOWN} is hidden: this role lacks pg_read_all_stats, "
        said += f"and is not shown what {counted(hidden, 'session')} of other roles do"
        lines.append(line(Text(said, style="yellow"), Text("")))
    return lines


def _connections(moment: Moment, rates: Rates) -> RenderableType:
    server = moment.server
    grid = Table.grid(padding=(0, 1), pad_edge=False, expand=True)
    grid.add_column(width=11)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    hit = UNKNOWN if rates.cache_hit is None else percent(rates.cache_hit)
    size = UNKNOWN if moment.size is None else size_in_units(moment.size)
    grid.add_row(
        Text("connections", style="dim"),
        Bar(server.connections, server.usable),
        Text.assemble(
            (f"{server.connections} of {server.usable}", "bold"),
            ("   size ", "dim"),
            size,
            ("   cache hit ", "dim"),
            hit,
        ),
    )
    return grid


def _states(moment: Moment) -> RenderableType:
    totals = states_of(moment.pools)
    styles = {"active": "green", "waiting": "bold red", _IN_TRANSACTION: "yellow"}
    parts = [Text("sessions    ", style="dim")]
    for name, count in totals.items():
        style = styles.get(name, "") if count else "dim"
        parts.append(Text(f"{count} {name}   ", style=style))
    return line(Text.assemble(*parts), Text(""))


def _per_second(server: Server, rates: Rates) -> RenderableType:
    since = "" if server.counted_since is None else f" since {server.counted_since:%Y-%m-%d}"
    news = f" (+{rates.deadlocks})" if rates.deadlocks else ""
    temp = UNKNOWN if rates.temp_bytes is None else size_in_units(rates.temp_bytes)
    ends = f"{number(rates.commits)} commits   {number(rates.rollbacks)} rollbacks"
    left = Text.assemble(("per second  ", "dim"), f"{ends}   {temp} temp files")
    right = Text.assemble(
        ("deadlocks ", "dim"), str(server.deadlocks), (news, "bold red"), (since, "dim")
    )
    return line(left, right)


def _waits(moment: Moment, width: int) -> Section:
    known = {session.pid: session for session in moment.sessions}
    if not moment.waits:
        return Section("locks: no lock waits", style="dim")
    columns = [
        Column.figures("pid", 7),
        Column.figures("waits", 7),
        Column("for", 22),
        Column("lock", 38 if width >= _WIDE else 23),
        Column("query"),
    ]
    rows = [
        [
            Text(str(one.pid), style="bold red"),
            Text(age(one.age), style="red"),
            _blocker(one, known, {other.pid for other in moment.waits}),
            Text(one_line(lock_of(one)), style="red"),
            _label(one.query),
        ]
        for one in moment.waits
    ]
    return Section(f"locks: {len(rows)} blocked", columns, rows, "bold red")


def _blocker(wait: Wait, known: dict[int, Session], waiting: set[int]) -> Text:
    if not wait.blockers:
        return Text(UNKNOWN)
    # Who waits himself is in the way only until that is over.
    first = min(wait.blockers, key=lambda pid: pid in waiting)
    more = len(wait.blockers) - 1
    if not first:
        name, state = "prepared", "transaction"
    else:
        name = str(first)
        state = _STATES.get(known[first].state, ("", ""))[0] if first in known else ""
    count = f" +{more}" if more else ""
    return Text.assemble((f"{name}{count}", "bold"), f" {state}")


def _queries(frame: Frame) -> Section:
    rates, why = frame.rates, frame.moment.server.without_statements
    queries = () if rates is None else rates.queries
    said = f"sampled, {why}" if why else "by time"
    if rates is None:
        said = "not known" if frame.trouble else "counting"
    elif not queries:
        said += ": none ran"
    whose = "queries" if frame.moment.server.sees_all else "queries of this role"
    title = f"{whose}, {said}"
    if frame.note:
        title += f", {one_line(frame.note)}"
    figures = [Column.figures("per s", 8), Column.figures("mean", 9)]
    if why:
        figures = [Column.figures("running", 7)]
    columns = [Column.figures("share", 7), *figures, Column("query")]
    return Section(title, columns, [_query(one, is_sampled=bool(why)) for one in queries], step=2)


def _query(one: QueryRate, *, is_sampled: bool) -> list[Text]:
    figures = (
        [Text("" if one.running is None else f"{one.running:.2f}")]
        if is_sampled
        else [
            Text(number(one.per_second)),
            Text(UNKNOWN if one.mean_ms is None else milliseconds(one.mean_ms)),
        ]
    )
    return [Text(percent(one.share), style="bold"), *figures, _label(one.label)]


def _sessions(moment: Moment, width: int) -> Section:
    if not moment.sessions:
        whose = "none" if moment.server.sees_all else "none that is shown to this role"
        return Section(f"sessions: {whose} does anything", style="dim")
    is_wide = width >= _WIDE
    columns = [
        Column.figures("pid", 7),
        Column.figures("trans.", 7),
        Column("state", 26 if is_wide else 21),
        Column.figures("for", 7),
        Column("application", 15 if is_wide else 11),
        *([Column("user", 12)] if is_wide else []),
        Column("query"),
    ]
    blocking = {pid for one in moment.waits for pid in one.blockers}
    rows = []
    for one in moment.sessions:
        pid = Text(str(one.pid), style="bold red" if one.pid in blocking else "")
        rows.append([pid, *_session(one, moment.server, is_wide=is_wide)])
    whose = "sessions" if moment.server.sees_all else "sessions shown to this role"
    return Section(f"{whose} that do something, longest first", columns, rows, step=2)


def _session(one: Session, server: Server, *, is_wide: bool) -> list[Text]:
    word, style = _STATES.get(one.state, (one_line(one.state), ""))
    kind, _, event = (one.wait or "").partition(":")
    # A session that is idle always waits for its client.
    waits = f" {one_line(f'{kind}:{event}' if is_wide else event)}" if event else ""
    if one.state not in ("active", "waiting"):
        waits = ""
    place = "" if one.database == server.database else f"@{one.database}"
    cells = [
        Text(age(one.transaction_age)),
        Text.assemble((word, style), waits),
        Text(age(one.state_age), style=style),
        Text(one_line(one.application) if one.is_client else "(autovacuum)"),
    ]
    if is_wide:
        cells.append(Text(one_line(f"{one.username}{place}")))
    return [*cells, _label(one.query)]


def _pools(moment: Moment) -> Section:
    figures = {"total": 6, "active": 7, "waiting": 7, "in trans.": 9, "idle": 6}
    columns = [Column.figures(name, width) for name, width in figures.items()]
    columns.append(Column("application"))
    ours = moment.server.application
    pools = sorted(moment.pools, key=lambda one: (one.application != ours, -one.total))
    rows = [
        [
            Text(str(one.total), style="bold"),
            _count(one.known(one.active), "green"),
            _count(one.known(one.waiting), "bold red"),
            _count(one.known(one.in_transaction), "yellow"),
            _count(one.known(one.idle), ""),
            Text(
                one_line(one.application) or "(without a name)",
                style="bold" if one.application == ours else "",
            ),
        ]
        for one in pools
    ]
    title = "pools, as the server sees them" if rows else "pools: no other pools"
    return Section(title, columns, rows)


def _count(count: int | None, style: str) -> Text:
    return Text(UNKNOWN if count is None else str(count), style=style if count else "dim")


def _label(label: Label) -> Text:
    return Text(one_line(label.text), style="bold cyan" if label.is_name else "")


def _foot(frame: Frame) -> RenderableType:
    if frame.is_paused:
        return Text("paused: space goes on, q quits", style="reverse", no_wrap=True)
    return Text("q quits, space pauses", style="dim", no_wrap=True)


def role(server: Server) -> str:
    """What the server is to others: a primary with its standbys, or a standby."""
    if server.is_standby:
        return "standby" if server.behind is None else f"standby, {age(server.behind)} behind"
    if not server.standbys:
        return "primary"
    return f"primary of {server.standbys} standby{'s' if server.standbys > 1 else ''}"


def states_of(pools: Iterable[Pool]) -> dict[str, int]:
    """How many sessions there are in each state, and how many whose state is not shown."""
    counts = {
        "active": sum(one.active for one in pools),
        "waiting": sum(one.waiting for one in pools),
        _IN_TRANSACTION: sum(one.in_transaction for one in pools),
        "idle": sum(one.idle for one in pools),
    }
    other = sum(one.total for one in pools) - sum(counts.values())
    return {**counts, "not shown": other} if other else counts


def lock_of(wait: Wait) -> str:
    """The lock that a session waits for, in a few words: its mode, and what it is on."""
    mode = wait.mode.removesuffix("Lock")
    if wait.kind in ("transactionid", "tuple") and wait.relation:
        return f"row of {wait.relation}"
    if wait.kind in ("transactionid", "tuple", "virtualxid"):
        return "end of a transaction"
    if wait.kind == "advisory":
        return f"advisory lock, {mode}"
    return f"{mode} on {wait.relation or wait.kind}"
