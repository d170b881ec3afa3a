"""Selection of the statement for a set of arguments, and validation of the arguments."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, MutableMapping, Set

from raxol_sql.errors import ParameterError, did_you_mean
from raxol_sql.text.template import Template
from raxol_sql.text.variants import Statement, statement


def choose(
    query: str,
    template: Template,
    arguments: Mapping[str, object],
    known: MutableMapping[object, Statement],
) -> Statement:
    """
    Return the statement of ``template`` that takes exactly these ``arguments``.

    ``known`` caches the statements of earlier calls. Raises `ParameterError` with everything that
    does not fit.
    """
    variant: object = None
    given: Set[str] = arguments.keys()
    keys: dict[str, str] = {}
    problems: list[str] = []
    if template.conditions or template.choices:
        given, keys, problems = _read(template, arguments)
        variant = (frozenset(given & template.conditions), *sorted(keys.items()))
    chosen = known.get(variant)
    if chosen is None:
        chosen = known.setdefault(variant, statement(template, given, keys))
    if problems or given != chosen.used:
        problems += _misfits(template, given, keys, chosen)
        raise ParameterError(query, problems)
    return chosen


def _read(
    template: Template, arguments: Mapping[str, object]
) -> tuple[set[str], dict[str, str], list[str]]:
    """Return the names of the arguments, the keys of choices, and the problems of the values."""
    given = set(arguments)
    keys: dict[str, str] = {}
    problems: list[str] = []
    for name in arguments.keys() & template.switches:
        if arguments[name] is False:
            given.discard(name)
        elif arguments[name] is not True:
            problems.append(f"{name} is a switch: give True, or False, or leave it out")
    for name in arguments.keys() & template.choices.keys():
        key, allowed = arguments[name], template.choices[name]
        if isinstance(key, str) and key in allowed:
            keys[name] = key
        else:
            given.discard(name)
            problems.append(f"{name} is one of {', '.join(allowed)}, or left out")
    return given, keys, sorted(problems)


def _misfits(
    template: Template, given: Set[str], keys: Mapping[str, str], chosen: Statement
) -> list[str]:
    problems = []
    for name in chosen.parameters:
        if name not in given:
            problems.append(f"{name} is missing{_why(template, name)}")
    for name in sorted(given - chosen.used):
        if name not in template.names:
            nearest = difflib.get_close_matches(name, template.names, n=2)
            problems.append(f"{name} is not an argument{did_you_mean(nearest)}")
        else:
            problems.append(f"{name} has no effect without {_needs(template, name, given, keys)}")
    return problems


def _why(template: Template, name: str) -> str:
    """Return why an optional parameter is required here; empty for one that always is."""
    always = statement(template, (), {})
    return "" if name in always.parameters else ", which the other arguments need"


def _needs(template: Template, name: str, given: Set[str], keys: Mapping[str, str]) -> str:
    """Return the argument that ``name`` needs to have an effect, if one argument is enough."""
    helpful = [
        other
        for other in sorted(template.conditions)
        if name in statement(template, {*given, other}, keys).used
    ]
    for choice, alternatives in template.choices.items():
        for key in alternatives:
            if name in statement(template, given, {**keys, choice: key}).used:
                helpful.append(f"{choice}={key!r}")
    return " or ".join(helpful) or "others"
