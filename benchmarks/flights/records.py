"""The records that the headers of the flight queries name."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import attrs


@attrs.frozen
class Punctuality:
    """How late an airline was, in minutes; ``late_percent`` is of the flights that arrived."""

    carrier: str
    name: str
    flights: int
    cancelled: int
    mean_delay: Decimal | None
    late_percent: Decimal | None


@attrs.frozen
class Flight:
    """A row of ``flights``: ``dep_delay`` in minutes, ``distance`` in miles."""

    flown_on: date
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    dep_delay: int | None
    distance: int
    time_hour: datetime


@attrs.frozen
class Route:
    """
    From where to where, and which airlines fly there.

    ``dest_name`` is None for what airports does not know, ``fastest`` is in minutes in the air.
    """

    origin: str
    dest: str
    dest_name: str | None
    carriers: list[str]
    flights: int
    fastest: int | None


@attrs.frozen
class PlaneType:
    """The part of a plane that tells what it is; ``year`` is that of its making, if known."""

    manufacturer: str
    model: str
    year: int | None


@attrs.frozen
class BusyPlane:
    """What one plane flew from one origin; ``plane`` is None for what planes does not know."""

    origin: str
    tailnum: str
    flights: int
    miles: int
    plane: PlaneType | None


RECORDS = (BusyPlane, Flight, Punctuality, Route)
