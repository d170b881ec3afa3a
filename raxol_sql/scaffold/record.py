"""The attrs class of a table, with the rules that the table has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from raxol_sql.scaffold.checks import Rule, rules_of
from raxol_sql.scaffold.names import asked, changed, is_exclusion, offered, record_name
from raxol_sql.scaffold.types import BOUNDS, annotation_of, type_of
from raxol_sql.schema import Column, Constraint, Table

_WIDTH = 96
# What a record uses of Python's own names.
_BUILTINS = frozenset(["bool", "bytes", "classmethod", "float", "int", "list", "str", "type"])
# Texts that the server compares by its own rules.
_FOLDED = frozenset(["bpchar", "citext"])
_METHODS = {
    "primary": "unique_constraint",
    "unique": "unique_constraint",
    "partial": "unique_constraint",
    "foreign": "foreign_key_constraint",
    "check": "check_constraint",
    "exclusion": "exclusion_constraint",
}


def record_text(table: Table, name: str | None = None) -> str:
    """
    A module with the record of ``table``, called ``name`` if that is given.

    Raises ValueError for columns that cannot be fields, and for such a ``name``.
    """
    name = record_name(table, name)
    fields = [_field(table, column) for column in table.columns]
    used = sorted({rule.validator for column in table.columns for rule in _rules(table, column)})
    if any(column.nullable and _rules(table, column) for column in table.columns):
        used = sorted({*used, "optional"})
    if any(len(_rules(table, column)) > 1 for column in table.columns):
        used = sorted({*used, "and_"})
    lines = [
        f'"""The record of the table {table.name}."""',
        "",
        "from __future__ import annotations",
        "",
        *_imports(table),
        f"import {_imported(table, ['attrs'])}",
        *([f"from attrs.validators import {_imported(table, used)}"] if used else []),
        f"from raxol_sql import {_imported(table, ['Changeset'])}",
        "",
        "",
        f"@{_local(table, 'attrs')}.frozen",
        f"class {name}:",
        f'    """A row of ``{table.name}``."""',
        "",
        *fields,
        "",
        *_changeset(table, name),
    ]
    return "\n".join(lines) + "\n"


def _local(table: Table, code: str) -> str:
    """
    Code with the names by which the module knows what it uses.

    A field hides what is called like it in the rest of the class, so that has another name.
    """
    names = {one.name for one in table.columns}
    return re.sub(r"[A-Za-z]\w*", lambda found: found[0] + "_" * (found[0] in names), code)


def _imported(table: Table, names: Iterable[str]) -> str:
    """What follows ``import`` for names."""
    local = ((name, _local(table, name)) for name in sorted(names))
    return ", ".join(name if name == ours else f"{name} as {ours}" for name, ours in local)


def _imports(table: Table) -> Iterator[str]:
    modules: dict[str, set[str]] = {"typing": {"Any"}, "collections.abc": {"Mapping"}}
    for column in table.columns:
        kind = type_of(column)
        if kind.module:
            name = kind.name.removeprefix("list[").removesuffix("]")
            modules.setdefault(kind.module, set()).add(name)
    columns = {one.name for one in table.columns}
    if hidden := _BUILTINS & columns:
        modules["builtins"] = {*hidden}
    for module, names in sorted(modules.items()):
        yield f"from {module} import {_imported(table, names)}"
    yield ""


def _field(table: Table, column: Column) -> str:
    annotation = _local(table, annotation_of(column))
    rules = [
        f"{_local(table, rule.validator)}({_written(table, rule.value)})"
        for rule in _rules(table, column)
    ]
    if not rules:
        return f"    {column.name}: {annotation}"
    validator = rules[0] if len(rules) == 1 else (f"{_local(table, 'and_')}({', '.join(rules)})")
    if column.nullable:
        validator = f"{_local(table, 'optional')}({validator})"
    field = f"{_local(table, 'attrs')}.field"
    line = f"    {column.name}: {annotation} = {field}(validator={validator})"
    if len(line) <= _WIDTH:
        return line
    return f"    {column.name}: {annotation} = {field}(\n        validator={validator}\n    )"


def _written(table: Table, value: object) -> str:
    text = repr_(value)
    return _local(table, "Decimal") + text[7:] if isinstance(value, Decimal) else text


def _rules(table: Table, column: Column) -> list[Rule]:
    """What the type and the readable checks of a column ask for, each bound once."""
    if column.is_array:
        return []
    rules = []
    if column.labels:
        rules.append(Rule("in_", column.labels))
    if column.length is not None:
        rules.append(Rule("max_len", column.length))
    for check in table.of_kind("check"):
        if check.columns == (column.name,):
            rules += _read(check, column) or []
    # Numbers that the table makes itself, such as those of bigserial, are within its own bounds.
    if column.base in BOUNDS and column.name in (*asked(table), *offered(table)):
        limit = BOUNDS[column.base]
        kinds = {rule.validator for rule in rules}
        if not kinds & {"gt", "ge"}:
            rules.append(Rule("ge", -limit))
        if not kinds & {"lt", "le"}:
            rules.append(Rule("le", limit - 1))
    return rules


def _read(check: Constraint, column: Column) -> list[Rule] | None:
    return None if column.base in _FOLDED else rules_of(check, type_of(column).name)


def _changeset(table: Table, name: str) -> Iterator[str]:
    permit = [*asked(table), *offered(table)]
    required = asked(table)
    calls = [
        _call("cast", ["given"], "permit", permit),
        _call("validate_required", [repr_(one) for one in required]) if required else "",
        *(_constraint(table, one) for one in table.constraints),
    ]
    yield f"    @{_local(table, 'classmethod')}"
    yield "    def changeset("
    given = _local(table, "Mapping[str, Any]")
    yield f"        cls, of: {name} | {_local(table, 'type')}[{name}], given: {given}"
    yield f"    ) -> {_local(table, 'Changeset')}[{name}]:"
    yield f'        """What may be given of a row of ``{table.name}``."""'
    yield "        return ("
    yield f"            {_local(table, 'Changeset')}(of)"
    yield from (f"            {call}" for call in calls if call)
    yield "        )"


def _constraint(table: Table, one: Constraint) -> str:
    given = [
        name for name in one.columns if name in (*changed(table), *asked(table), *offered(table))
    ]
    if not given or (one.kind == "check" and not _is_declared(table, one)):
        return ""
    kind = "exclusion" if is_exclusion(one) else one.kind
    return _call(_METHODS[kind], [repr_(given[0])], "name", one.name)


def _is_declared(table: Table, check: Constraint) -> bool:
    """Whether the server may have to say what a check refuses, and of which field that is."""
    if len([one for one in table.of_kind("check") if one.name == check.name]) > 1:
        return False  # the check of a domain does not say which of its columns it refuses
    column = table.column(check.columns[0])
    # What the server rounds may be right before and wrong after that.
    return _read(check, column) is None or type_of(column).name in ("Decimal", "float")


def _call(method: str, arguments: list[str], key: str = "", value: object = None) -> str:
    named = [f"{key}={repr_(value)}"] if key else []
    line = f".{method}({', '.join([*arguments, *named])})"
    if len(line) <= _WIDTH - 12:
        return line
    if isinstance(value, list):
        items = "".join(f"\n                    {repr_(one)}," for one in value)
        named = [f"{key}=[{items}\n                ]"]
    inner = ",\n".join(f"                {one}" for one in [*arguments, *named])
    return f".{method}(\n{inner},\n            )"


def repr_(value: object) -> str:
    """``value`` as the code of this house writes it, with double quotes."""
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text.startswith("'") and '"' not in text else text
    if isinstance(value, list):
        return f"[{', '.join(map(repr_, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(repr_, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Decimal):
        return f"Decimal({repr_(str(value))})"
    return repr(value)
