"""A plan as the server gives it in JSON: its nodes, its lines for people, and what is masked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from raxol_sql.config.passwords import MASK

Node = Mapping[str, Any]

# Texts in a node that are names, or words of the server's own; any other may hold a value.
_NAMES = frozenset(
    [
        *("Node Type", "Operation", "Join Type", "Strategy", "Partial Mode", "Scan Direction"),
        *("Schema", "Relation Name", "Alias", "Index Name", "CTE Name", "Function Name"),
        *("Subplan Name", "Parent Relationship", "Command", "Conflict Resolution", "Cache Mode"),
        *("Sort Method", "Sort Space Type", "Storage", "Tuplestore Name", "Table Function Name"),
    ]
)
# In the first line of a node already, or of no use to people.
_NOT_IN_LINES = _NAMES - {"Sort Method", "Conflict Resolution", "Storage"} | {
    *("Parallel Aware", "Async Capable", "Inner Unique", "Single Copy", "Plans", "Workers"),
    *("Startup Cost", "Total Cost", "Plan Rows", "Plan Width"),
    *("Actual Startup Time", "Actual Total Time", "Actual Rows", "Actual Loops"),
}
# What a node gives out column by column: long, and full of values.
_DROPPED = ("Output",)
_AGGREGATES = {"Hashed": "HashAggregate", "Sorted": "GroupAggregate", "Mixed": "MixedAggregate"}


@attrs.frozen
class Plan:
    """
    The plan of one statement.

    ``root`` is its topmost node, as EXPLAIN gives it in JSON, without the lists of columns.
    ``rest`` are the server's other figures, such as the time that planning took. Its texts may hold
    values of arguments: `masked` has none.
    """

    root: Node
    rest: Mapping[str, Any]

    @classmethod
    def read(cls, document: Sequence[Mapping[str, Any]]) -> Plan:
        """The plan in what ``explain (format json)`` gives for one statement."""
        rest = {key: value for key, value in document[0].items() if key != "Plan"}
        rest.pop("Query Identifier", None)
        return cls(_without_columns(document[0]["Plan"]), rest)

    @property
    def was_run(self) -> bool:
        """Whether the statement was run, so that there are figures of that."""
        return "Actual Loops" in self.root

    @property
    def masked(self) -> Plan:
        """The plan with names and figures, and no condition or expression."""
        return Plan(_masked(self.root), self.rest)

    @property
    def tables(self) -> tuple[tuple[str, str], ...]:
        """The tables that are read or written, as schema and name, each once."""
        return tables_of(self.root)

    def lines(self) -> Iterator[str]:
        """The plan for people: a line for each node and its figures, what feeds it below."""
        yield from _lines(self.root, 0)
        for trigger in self.rest.get("Triggers", ()):
            yield (
                f"Trigger {trigger['Trigger Name']} on {trigger.get('Relation', '?')}: "
                f"{trigger['Calls']} calls, {trigger.get('Time', 0)} ms"
            )
        for what in ("Planning", "Execution"):
            if f"{what} Time" in self.rest:
                yield f"{what} time: {self.rest[f'{what} Time']} ms"

    @property
    def document(self) -> dict[str, Any]:
        """The plan for programs."""
        return {"Plan": self.root, **self.rest}


def tables_of(node: Node) -> tuple[tuple[str, str], ...]:
    """The tables of a node and of those below it, as schema and name, each once."""
    found = [
        (one.get("Schema", ""), one["Relation Name"])
        for one in nodes_of(node)
        if "Relation Name" in one
    ]
    return tuple(dict.fromkeys(found))


def nodes_of(node: Node) -> Iterator[Node]:
    """A node, and all that are below it."""
    yield node
    for inner in node.get("Plans", ()):
        yield from nodes_of(inner)


def label_of(node: Node) -> str:
    """A node by its name and what it is on, in the server's words: ``Seq Scan on users u``."""
    name = str(node["Node Type"])
    if name == "Aggregate":
        name = _AGGREGATES.get(node.get("Strategy", ""), name)
        if node.get("Partial Mode", "Simple") != "Simple":
            name = f"{node['Partial Mode']} {name}"
    elif name == "ModifyTable":
        name = str(node.get("Operation", name))
    join = node.get("Join Type", "Inner")
    if join != "Inner":
        name = f"{name.removesuffix(' Join')} {join} Join"
    if node.get("Parallel Aware"):
        name = f"Parallel {name}"
    if "Index Name" in node:
        name += f" using {node['Index Name']}" if "Relation Name" in node else ""
    kinds = ("Relation Name", "CTE Name", "Function Name", "Index Name", "Table Function Name")
    on = next((str(node[kind]) for kind in kinds if kind in node), "")
    alias = node.get("Alias", on)
    named = " ".join([on, *([alias] if alias != on else [])]).strip()
    return f"{name} on {named}" if named else name


def _lines(node: Node, depth: int) -> Iterator[str]:
    indent = "      " * (depth - 1) + "  ->  " if depth else ""
    below = "      " * depth + "  "
    if "Subplan Name" in node:
        yield f"{below[:-2]}{node['Subplan Name']}"
    yield f"{indent}{label_of(node)}  {_figures(node)}"
    for key, value in node.items():
        if key not in _NOT_IN_LINES and not key.endswith(("Blocks", " Time")) and value:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{below}{key}: {str(shown).lower() if shown is True else shown}"
    if buffers := _buffers(node):
        yield f"{below}Buffers: {buffers}"
    for inner in node.get("Plans", ()):
        yield from _lines(inner, depth + 1)


def _figures(node: Node) -> str:
    planned = (
        f"(cost={node['Startup Cost']:.2f}..{node['Total Cost']:.2f} "
        f"rows={node['Plan Rows']} width={node['Plan Width']})"
    )
    if "Actual Loops" not in node:
        return planned
    if not node["Actual Loops"]:
        return f"{planned} (never executed)"
    time = ""
    if "Actual Total Time" in node:
        time = f"time={node['Actual Startup Time']:.3f}..{node['Actual Total Time']:.3f} "
    return f"{planned} (actual {time}rows={node['Actual Rows']:g} loops={node['Actual Loops']})"


def _buffers(node: Node) -> str:
    """The pages that were used by a node and those below it: ``shared hit=3 read=1``."""
    kinds = []
    for kind in ("Shared", "Local", "Temp"):
        counts = [
            f"{word.lower()}={node[f'{kind} {word} Blocks']}"
            for word in ("Hit", "Read", "Dirtied", "Written")
            if node.get(f"{kind} {word} Blocks")
        ]
        if counts:
            kinds.append(" ".join([kind.lower(), *counts]))
    return ", ".join(kinds)


def _without_columns(node: Node) -> Node:
    kept = {key: value for key, value in node.items() if key not in _DROPPED}
    if "Plans" in kept:
        kept["Plans"] = [_without_columns(inner) for inner in kept["Plans"]]
    return kept


def _masked(node: Node) -> Node:
    return {key: _masked_value(key, value) for key, value in node.items()}


def _masked_value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _masked(value)
    if isinstance(value, list):
        return [_masked_value(key, one) for one in value]
    return MASK if isinstance(value, str) and key not in _NAMES else value
