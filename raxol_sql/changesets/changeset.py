"""Changes to a record, what is wrong with them, and the constraints that the database adds."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar

import attrs

from raxol_sql.changesets.attribute import attribute_of, convert, default_of, is_same
from raxol_sql.changesets.constraints import Constraint, ConstraintKind, note_on, violation
from raxol_sql.changesets.field_error import FieldError
from raxol_sql.changesets.validations import (
    NUMBER_RULES,
    Check,
    exclusion_of,
    format_of,
    inclusion_of,
    length_of,
    number_of,
    subset_of,
)
from raxol_sql.changesets.validators import errors_of
from raxol_sql.errors import InvalidChangesetError
from raxol_sql.records import CastError, caster_of, fields_of, hints_of
from raxol_sql.records.names import argument_name

R = TypeVar("R")
Errors = Mapping[str, tuple[FieldError, ...]]
Told = str | FieldError | Iterable[str | FieldError] | None
_BLANK = FieldError("can't be blank", "required")


class Changeset(Generic[R]):
    """
    Changes to a record, or to a new one: ``Changeset(user)``, ``Changeset(User)``.

        changeset = (
            Changeset(User)
            .cast(params, permit=["email", "name", "age"])
            .validate_required("email", "name")
            .validate_format("email", EMAIL)
            .unique_constraint("email")
        )

    Every method returns a new changeset. `cast` takes permitted values of the right type. Each
    validation checks values that have changed and are not None, and adds its errors to `errors`,
    in order. Types, converters and attrs validators of the record are applied to each new value
    without a call. The database checks constraints: `with_violation` turns the violation of a
    declared constraint into the error of its field. Nothing here connects to a database.
    Immutable, and safe to use from any thread; its repr shows names, never a value. A name that is
    no field of the record raises AttributeError: that is a bug of the program, not wrong input.
    """

    def __init__(self, of: R | type[R]) -> None:
        record: type[Any] = of if isinstance(of, type) else type(of)
        if not attrs.has(record):
            raise TypeError(
                f"a changeset is of an attrs class or its record; not {record.__name__}"
            )
        self._record: Any = record
        self.data: R | None = None if isinstance(of, type) else of
        self._changes: dict[str, Any] = {}
        self._errors: dict[str, tuple[FieldError, ...]] = {}
        self.ignored: tuple[str, ...] = ()
        self.constraints: tuple[Constraint, ...] = ()
        self._params: Mapping[str, Any] = {}

    @property
    def record(self) -> type[R]:
        """The class of the record."""
        record: type[R] = self._record
        return record

    @property
    def changes(self) -> Mapping[str, Any]:
        """The changes, by field."""
        return MappingProxyType(self._changes)

    @property
    def errors(self) -> Errors:
        """The errors, by field."""
        return MappingProxyType(self._errors)

    @property
    def is_valid(self) -> bool:
        """Return whether there are no errors."""
        return not self._errors

    def get(self, field: str, default: Any = None) -> Any:
        """Return the value of a field: its change, the record's value, or the class's default."""
        if field in self._changes:
            return self._changes[field]
        attribute = self._attribute(field)
        if self.data is not None:
            return getattr(self.data, attribute.name)
        return default_of(attribute, default)

    def cast(self, params: Mapping[str, Any], *, permit: Sequence[str]) -> Self:
        """
        Add the values in ``params`` of the fields that ``permit`` lists.

        Other values are skipped, and their names are in `ignored`. Text that is empty, or only
        white space, becomes None, or the default of the class; other text stays as it is. A value
        that cannot be cast to the field's type, or that its converter rejects, "is invalid"; None
        for a type that does not allow it "can't be blank". A value equal to the record's is no
        change.
        """
        if not isinstance(params, Mapping):
            raise TypeError(f"cast takes a mapping of values; not {type(params).__name__}")
        more = self._copy()
        more._params = {**self._params, **params}
        hints = hints_of(self.record)
        for field in permit:
            attribute = self._attribute(field)
            if field not in params:
                continue
            value = params[field]
            if isinstance(value, str) and not value.strip():
                value = default_of(attribute)
            if value is not None:
                hint = Any if attribute.converter else hints.get(attribute.name, Any)
                try:
                    value = caster_of(hint)(value)
                except CastError:
                    more._add(field, FieldError("is invalid", "cast"))
                    continue
            more._put(attribute, field, value)
        left = [str(name) for name in params if name not in permit]
        more.ignored = tuple(dict.fromkeys((*self.ignored, *left)))
        return more

    def change(self, **values: Any) -> Self:
        """Add values of the program itself, without casting them."""
        more = self._copy()
        for field, value in values.items():
            more._put(self._attribute(field), field, value)
        return more

    def delete_change(self, field: str) -> Self:
        """Remove the change of ``field``."""
        self._attribute(field)
        more = self._copy()
        more._changes.pop(field, None)
        return more

    def add_error(
        self, field: str, message: str, *, validation: str = "custom", **details: object
    ) -> Self:
        """Add an error; ``%{name}`` in the message stands for that detail."""
        self._attribute(field)
        return self.with_errors({field: [FieldError.of(message, validation, **details)]})

    def with_errors(self, errors: Mapping[str, Iterable[FieldError]]) -> Self:
        """Add errors by field, such as the ``errors`` of an `InvalidChangesetError`."""
        more = self._copy()
        for field, found in errors.items():
            for error in found:
                more._add(field, error)
        return more

    def validate_required(self, *fields: str, message: str = _BLANK.template) -> Self:
        """Require that fields have a value, new or kept; fields with an error are skipped."""
        more = self._copy()
        for field in fields:
            value = self.get(field)
            is_blank = value is None or (isinstance(value, str) and not value.strip())
            # The cast may have reported the blank value already; this message replaces its error.
            if is_blank and self._errors.get(field, (_BLANK,)) == (_BLANK,):
                more._errors[field] = (FieldError(message, "required"),)
        return more

    def validate_format(
        self, field: str, pattern: str | re.Pattern[str], *, message: str = "has invalid format"
    ) -> Self:
        """Require a text that ``pattern`` matches as a whole."""
        return self._check_value(field, format_of(pattern, message))

    def validate_number(self, field: str, *, message: str | None = None, **rules: Any) -> Self:
        """
        Require a number within bounds.

        The rules are ``greater_than=0``, ``less_than``, ``greater_than_or_equal_to``,
        ``less_than_or_equal_to``, ``equal_to`` and ``not_equal_to``.
        """
        unknown = [rule for rule in rules if rule not in NUMBER_RULES]
        if unknown or not rules:
            raise TypeError(f"validate_number takes {', '.join(NUMBER_RULES)}")
        return self._check_value(field, number_of(rules, message))

    def validate_length(
        self,
        field: str,
        *,
        exactly: int | None = None,
        min: int | None = None,
        max: int | None = None,
        count: str = "characters",
        message: str | None = None,
    ) -> Self:
        """
        Require a length: of a text in characters, or UTF-8 ``count="bytes"``; of a list in items.

        A character is a code point, as in PostgreSQL's ``varchar(255)``.
        """
        if count not in ("characters", "bytes"):
            raise ValueError(f"count is characters or bytes; not {count!r}")
        check = length_of(exactly=exactly, least=min, most=max, count=count, message=message)
        return self._check_value(field, check)

    def validate_inclusion(
        self, field: str, allowed: Container[Any], *, message: str = "is invalid"
    ) -> Self:
        """Require one of the values in ``allowed``."""
        return self._check_value(field, inclusion_of(allowed, message))

    def validate_exclusion(
        self, field: str, reserved: Container[Any], *, message: str = "is reserved"
    ) -> Self:
        """Reject the values in ``reserved``."""
        return self._check_value(field, exclusion_of(reserved, message))

    def validate_subset(
        self, field: str, allowed: Container[Any], *, message: str = "has an invalid entry"
    ) -> Self:
        """Require a list of which all items are in ``allowed``."""
        return self._check_value(field, subset_of(allowed, message))

    def validate_confirmation(
        self, field: str, *, message: str = "does not match confirmation"
    ) -> Self:
        """
        Require that the parameter ``email_confirmation``, if it was passed, equals ``email``.

        The confirmation is no field: `cast` keeps its parameters for this. The error has its name.
        """
        self._attribute(field)
        name = f"{field}_confirmation"
        again = self._params.get(name)
        if again is None or again == self._params.get(field):
            return self
        return self.with_errors({name: [FieldError(message, "confirmation")]})

    def validate_acceptance(self, field: str, *, message: str = "must be accepted") -> Self:
        """Require true if `cast` was passed this parameter, which need not be a field."""
        wrong = field in self._params and self._params[field] not in (True, "true", "1")
        return self.with_errors({field: [FieldError(message, "acceptance")]}) if wrong else self

    def validate_change(self, field: str, rule: Callable[[Any], Told]) -> Self:
        """Check a changed value with ``rule``, which returns a message, several, or None."""
        self._attribute(field)
        value = self._changes.get(field)
        told = None if value is None else rule(value)
        if told is None:
            return self
        several = [told] if isinstance(told, str | FieldError) else list(told)
        errors = [FieldError(one, "custom") if isinstance(one, str) else one for one in several]
        return self.with_errors({field: errors})

    def unique_constraint(
        self,
        field: str,
        *,
        name: str | None = None,
        message: str | None = None,
        match: str = "exact",
    ) -> Self:
        """Declare a unique constraint on a field; see `Constraint` for the default names."""
        return self._declare(ConstraintKind.UNIQUE, field, name, message, match)

    def foreign_key_constraint(
        self,
        field: str,
        *,
        name: str | None = None,
        message: str | None = None,
        match: str = "exact",
    ) -> Self:
        """Declare a foreign key on a field: a row of the other table must have its value."""
        return self._declare(ConstraintKind.FOREIGN_KEY, field, name, message, match)

    def no_assoc_constraint(
        self,
        field: str,
        *,
        name: str | None = None,
        message: str | None = None,
        match: str = "exact",
    ) -> Self:
        """Declare a foreign key of another table, whose rows may refer to a record to delete."""
        return self._declare(ConstraintKind.NO_ASSOC, field, name, message, match)

    def check_constraint(
        self, field: str, *, name: str, message: str | None = None, match: str = "exact"
    ) -> Self:
        """Declare a CHECK constraint of the table."""
        return self._declare(ConstraintKind.CHECK, field, name, message, match)

    def exclusion_constraint(
        self, field: str, *, name: str, message: str | None = None, match: str = "exact"
    ) -> Self:
        """Declare an EXCLUDE constraint of the table."""
        return self._declare(ConstraintKind.EXCLUSION, field, name, message, match)

    def with_violation(self, error: BaseException) -> Self | None:
        """
        Add the error of the field whose constraint the driver's ``error`` reports as violated.

        Return None for any other error, and for a constraint that is not declared. NOT NULL needs
        no declaration.
        """
        fields = [argument_name(attribute) for attribute in attrs.fields(self._record)]
        found = violation(error, self.constraints, fields)
        return None if found is None else self.with_errors({found[0]: [found[1]]})

    def note_for(self, error: BaseException) -> str | None:
        """Return a note for the violation of a constraint that is not declared here, or None."""
        return note_on(error, self.constraints)

    def traverse_errors(self, text_of: Callable[[FieldError], str] = str) -> dict[str, list[str]]:
        """Return the messages by field, each written by ``text_of``."""
        return {field: [text_of(one) for one in found] for field, found in self._errors.items()}

    def check(self) -> None:
        """Raise `InvalidChangesetError` with all errors, if there are any."""
        if self._errors:
            raise InvalidChangesetError(self.record.__name__, self._errors)

    def apply(self) -> R:
        """
        Return the record with its changes, or a new record; nothing is stored.

        Raises as `check`, TypeError if fields of a new record have no value, and the errors of
        validators that read several fields of the record.
        """
        self.check()
        if self.data is not None:
            data: Any = self.data
            changed: R = attrs.evolve(data, **self._changes)
            return changed
        made: R = self._record(**self._changes)
        return made

    def _check_value(self, field: str, check: Check) -> Self:
        return self.validate_change(field, check)

    def _declare(
        self, kind: ConstraintKind, field: str, name: str | None, message: str | None, match: str
    ) -> Self:
        self._attribute(field)
        more = self._copy()
        more.constraints = (
            *self.constraints,
            Constraint(kind, field, name, message or kind.message, match),
        )
        return more

    def _put(self, attribute: attrs.Attribute[Any], field: str, given: Any) -> None:
        try:
            value = convert(attribute, given)
        except Exception:  # the program's converter may raise anything
            self._add(field, FieldError("is invalid", "cast"))
            return
        if self.data is not None and is_same(getattr(self.data, attribute.name), value):
            self._changes.pop(field, None)
            return
        self._changes[field] = value
        if value is not None:
            for error in errors_of(attribute, value):
                self._add(field, error)
        elif not fields_of(self._record)[field].nullable:
            self._add(field, _BLANK)

    def _add(self, field: str, error: FieldError) -> None:
        known = self._errors.get(field, ())
        if error not in known:
            self._errors[field] = (*known, error)

    def _attribute(self, field: str) -> attrs.Attribute[Any]:
        return attribute_of(self._record, field)

    def _copy(self) -> Self:
        more = type(self).__new__(type(self))
        vars(more).update(vars(self))
        more._changes, more._errors = dict(self._changes), dict(self._errors)
        return more

    def __repr__(self) -> str:
        state = "valid" if self.is_valid else f"errors in {', '.join(self._errors)}"
        changed = ", ".join(self._changes) or "nothing"
        return f"<Changeset of {self.record.__name__}: {changed} changed, {state}>"
