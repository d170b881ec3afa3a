"""Named queries, and bound queries: a query with its arguments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Generic, TypeVar

import attrs

from raxol_sql.errors import ParameterError
from raxol_sql.queries.arguments import choose
from raxol_sql.text import Definition, Kind
from raxol_sql.text.variants import Statement, statement

ResultT = TypeVar("ResultT", covariant=True)

SCALAR = "scalar"


@attrs.frozen(eq=False, slots=False, repr=False)
class Query(Generic[ResultT]):
    """
    A named query of a registry. Calling it with its arguments, by name, returns a `BoundQuery`.

    ``record`` is the attrs class of a row, or None if the query names none; ``validate`` says
    whether its attrs validators run on rows. ``help(query)`` shows its documentation.
    Immutable, and safe to use from any thread.
    """

    definition: Definition
    record: type | None = None
    validate: bool = False
    _statements: dict[object, Statement] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.definition.doc or None)

    def __call__(self, /, *positional: object, **arguments: object) -> BoundQuery[ResultT]:
        """
        Return the query with ``arguments``, ready to run; nothing is sent.

        Raises `ParameterError` for arguments that are missing, unknown, without effect in the
        variant that the other arguments select, or not a key of a choice: for all of them at once.
        """
        if positional:
            raise ParameterError(self.name, [f"give arguments by name: {self.signature}"])
        return self.bind(arguments)

    def bind(self, arguments: Mapping[str, object]) -> BoundQuery[ResultT]:
        """Return the query with a mapping of arguments; the same as calling it."""
        only = self._only
        if only is not None and arguments.keys() == only.used:
            return BoundQuery(self, only, tuple(map(arguments.__getitem__, only.parameters)))
        chosen = choose(self.name, self.definition.template, arguments, self._statements)
        return BoundQuery(self, chosen, tuple([arguments[name] for name in chosen.parameters]))

    @cached_property
    def _only(self) -> Statement | None:
        """The statement of a query without variants, or None."""
        template = self.definition.template
        if template.conditions or template.choices:
            return None
        return statement(template, (), {})

    @cached_property
    def name(self) -> str:
        """The name with its namespace, as in ``users.get``."""
        return self.definition.qualified_name

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The parameters that every call must pass, in the order of the text."""
        return statement(self.definition.template, (), {}).parameters

    @cached_property
    def kind(self) -> Kind:
        """The kind of the query: how many rows it returns, and as what."""
        return self.definition.kind

    @property
    def location(self) -> str:
        """``path:line`` of its header."""
        return self.definition.location

    @property
    def is_scalar(self) -> bool:
        """Return whether the result of a row is the value of its single column."""
        return self.definition.result == SCALAR

    @cached_property
    def is_grouped(self) -> bool:
        """Return whether ``@group`` combines several rows into one record."""
        return bool(self.definition.directives.group)

    @property
    def signature(self) -> str:
        """The signature for messages: ``search(limit, [email], [sort: newest | name])``."""
        template = self.definition.template
        written = [
            *(name for name in template.order if name not in template.conditions),
            *(f"[{name}]" for name in template.order if name in template.conditions),
            *(f"[{name}: {' | '.join(keys)}]" for name, keys in template.choices.items()),
        ]
        return f"{self.definition.name}({', '.join(written)})"

    def __repr__(self) -> str:
        return f"<Query {self.name} :{self.kind.value} at {self.location}>"


@attrs.frozen(repr=False)
class BoundQuery(Generic[ResultT]):
    """
    A query with its arguments: a value that any database can run, at any time and repeatedly.

    ``statement`` is the text that will be sent and ``values`` are those of its ``$1``, ``$2`` ...
    Two are equal if the query's name and place, the statement and the values are equal. It is
    hashable if its values are. Its repr shows the names of the arguments, never a value.
    """

    query: Query[ResultT] = attrs.field(eq=lambda query: (query.name, query.location))
    statement: Statement
    values: tuple[Any, ...]

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The values by name."""
        return dict(zip(self.statement.parameters, self.values, strict=True))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}=…" for name in sorted(self.statement.used))
        return f"<Bound {self.query.name}({given})>"
