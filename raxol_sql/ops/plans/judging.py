"""The problems in a plan: pure, from its figures and what is known of its tables."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

import attrs

from raxol_sql.ops.finding import Finding, Status
from raxol_sql.ops.plans.asking import KnownTable
from raxol_sql.ops.plans.condition import Wish, wish_of
from raxol_sql.ops.plans.tree import Node, Plan, label_of, nodes_of, tables_of

GROUP = "plan"
# Where more of a table than this is asked for, an index saves nothing.
_MOST = 0.2
# How many times as many rows as expected, or as few, mislead the server.
_FAR_OFF = 100
# What hands on rows as it gets them, so that a LIMIT above it stops what is below it.
_PASSING = frozenset(["Limit", "LockRows", "Subquery Scan", "Result", "ProjectSet", "Append"])

# What counts no rows, or none that it gives.
_UNCOUNTED = frozenset(["ModifyTable", "BitmapAnd", "BitmapOr"])

Tables = Mapping[tuple[str, str], KnownTable]


def findings_of(plan: Plan, tables: Tables, *, rows: int) -> list[Finding]:
    """
    The problems in a plan.

    Tables of which more than ``rows`` rows are read one after another; and, of a plan that was
    run, how many rows came where the server expected a hundredth or a hundred times as many, and
    what did not fit into memory.
    """
    found = [_scanned(scan, tables) for scan in _scans(plan.root, tables) if scan.count > rows]
    if plan.was_run:
        found += _misjudged(plan.root, tables)
        found += _spilled(plan.root)
    return list(dict.fromkeys(found))


@attrs.frozen
class _Scan:
    """A table that is read whole: how many rows that are, and how many of them are wanted."""

    node: Node
    count: float
    wanted: float
    is_counted: bool


def _scans(node: Node, tables: Tables, share: float = 1.0, workers: int = 0) -> Iterator[_Scan]:
    if node["Node Type"] == "Seq Scan":
        yield _scan(node, tables, share, workers)
    workers = node.get("Workers Planned", workers)
    for inner in node.get("Plans", ()):
        below = _share(node, inner) * share if node["Node Type"] in _PASSING else 1.0
        yield from _scans(inner, tables, below, workers)


def _scan(node: Node, tables: Tables, share: float, workers: int) -> _Scan:
    if "Actual Loops" in node:
        kept = node["Actual Rows"] * node["Actual Loops"]
        removed = node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
        return _Scan(node, kept + removed, kept, is_counted=True)
    wanted = node["Plan Rows"] * ((workers + 1) if node.get("Parallel Aware") else 1)
    known = tables.get(_key(node))
    count = max(wanted, known.rows if known else 0)
    return _Scan(node, count * share, wanted * share, is_counted=False)


def _share(node: Node, inner: Node) -> float:
    """How much of what is below a node it will ask for, as the server reckons."""
    if node["Node Type"] != "Limit":
        return 1.0
    whole = inner["Total Cost"] - inner["Startup Cost"]
    asked = node["Total Cost"] - inner["Startup Cost"]
    return float(min(1.0, max(0.0, asked / whole))) if whole > 0 else 1.0


def _scanned(scan: _Scan, tables: Tables) -> Finding:
    node = scan.node
    table = tables.get(_key(node)) or KnownTable(str(node["Relation Name"]), 0)
    wish = wish_of(node.get("Filter", ""), str(node.get("Alias", node["Relation Name"])))
    asked = f" for {', '.join(wish.columns)}" if wish.columns else ""
    if "Filter" not in node:
        asked = ", with no condition"
    how = "were read" if scan.is_counted else "are to be read, as the server expects"
    message = f"{scan.count:,.0f} rows of {table.quoted} {how}, one after another{asked}"
    return Finding(GROUP, "seq scan", Status.WARN, message, _help(scan, table, wish))


def _help(scan: _Scan, table: KnownTable, wish: Wish) -> str:
    if "Filter" not in scan.node:
        return "ask for fewer rows, a page at a time, or stream them"
    if scan.wanted > scan.count * _MOST:
        return "most of its rows are asked for, so no index would help: ask for fewer"
    columns = wish.indexable(table.varchars)
    if not columns:
        return f"see whether an index on {table.quoted} can serve this condition"
    if columns[0] in table.leading:
        name = shlex.quote(table.quoted)
        return f"raxol-sql analyze --table {name}  # an index begins with {columns[0]}"
    return f"create index concurrently on {table.quoted} ({', '.join(columns)});"


def _misjudged(node: Node, tables: Tables, is_cut_short: bool = False) -> list[Finding]:
    """The nodes at which the estimates go wrong: those above them only inherit it."""
    below: list[Finding] = []
    for inner in node.get("Plans", ()):
        below += _misjudged(inner, tables, is_cut_short or _cuts_short(node, inner))
    if below or not node["Actual Loops"] or node["Node Type"] in _UNCOUNTED:
        return below
    expected, came = max(1.0, node["Plan Rows"]), max(1.0, node["Actual Rows"])
    factor = max(came / expected, expected / came)
    # What is not asked for all of its rows gives fewer for that alone.
    if factor <= _FAR_OFF or (is_cut_short and came < expected):
        return []
    names = [tables[key].quoted if key in tables else key[1] for key in tables_of(node)]
    message = (
        f"{label_of(node)}: {node['Actual Rows']:,.0f} rows came, "
        f"and {node['Plan Rows']:,} were expected"
    )
    remedy = f"raxol-sql analyze {' '.join(f'--table {one}' for one in names)}" if names else ""
    return [Finding(GROUP, "estimate", Status.WARN, message, remedy)]


def _cuts_short(node: Node, inner: Node) -> bool:
    """Whether a node may stop before it has all that is below it."""
    if node["Node Type"] in ("Limit", "Merge Join"):
        return True
    is_first = node.get("Plans", [inner])[0] is inner
    return not is_first and node.get("Join Type") in ("Semi", "Anti")


def _spilled(root: Node) -> Iterator[Finding]:
    for node in nodes_of(root):
        # Workers sort and hash for themselves.
        for one in (node, *node.get("Workers", ())):
            if size := _on_disk(one):
                yield Finding(
                    GROUP,
                    "spill",
                    Status.WARN,
                    f"{label_of(node)}: {size}",
                    f"set local work_mem to more than it has, in the transaction that runs this, "
                    f"or have fewer rows come to the {node['Node Type'].lower()}",
                )


def _on_disk(node: Node) -> str:
    """What of a node went to disk; nothing where all of it fitted into memory."""
    if node.get("Sort Space Type") == "Disk":
        return f"{node['Sort Space Used']:,} kB were sorted on disk"
    for key in ("Full-sort Groups", "Pre-sorted Groups"):
        on_disk = node.get(key, {}).get("Sort Space Disk", {}).get("Peak Sort Space Used", 0)
        if on_disk:
            return f"{on_disk:,} kB were sorted on disk"
    if node.get("Hash Batches", 1) > 1:
        return f"the hash table went to disk, in {node['Hash Batches']:,} batches"
    if node.get("Disk Usage", 0) > 0:
        return f"{node['Disk Usage']:,} kB of its groups went to disk"
    if node.get("Storage") == "Disk":
        return f"{node.get('Maximum Storage', 0):,} kB of its rows went to disk"
    return ""


def _key(node: Node) -> tuple[str, str]:
    return node.get("Schema", ""), str(node["Relation Name"])
