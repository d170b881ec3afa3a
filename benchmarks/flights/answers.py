"""The answers to the eight questions, computed from the CSV files by plain Python."""

from __future__ import annotations

import csv
import functools
import heapq
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.flights.data import open_text

Row = tuple[object, ...]
K = TypeVar("K")


class Flight(NamedTuple):
    """What the answers need of a line of flights.csv."""

    flown_on: date
    dep_delay: int | None
    arr_delay: int | None
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    air_time: int | None
    distance: int
    time_hour: str


class Tables(NamedTuple):
    """What the answers need of all files, in memory."""

    airlines: dict[str, str]
    airports: dict[str, str]
    planes: dict[str, Row]
    rain: dict[tuple[str, str], float]
    flights: list[Flight]


def read_tables(folder: Path) -> Tables:
    """The files of ``folder``; takes some seconds."""
    planes: dict[str, Row] = {
        line[0]: (line[3], line[4], number(line[1])) for line in lines(folder, "planes")
    }
    rain = {(line[0], line[14]): float(line[11]) for line in lines(folder, "weather")}
    return Tables(
        airlines={line[0]: line[1] for line in lines(folder, "airlines")},
        airports={line[0]: line[1] for line in lines(folder, "airports")},
        planes=planes,
        rain=rain,
        flights=[flight(line) for line in lines(folder, "flights")],
    )


def lines(folder: Path, table: str) -> Iterator[list[str]]:
    """The lines of a table's CSV, without the header."""
    with open_text(folder, table) as file:
        reader = csv.reader(file)
        next(reader)
        yield from reader


def flight(line: list[str]) -> Flight:
    return Flight(
        day(line[0], line[1], line[2]),
        number(line[5]),
        number(line[8]),
        line[9],
        int(line[10]),
        None if line[11] == "NA" else line[11],
        line[12],
        line[13],
        number(line[14]),
        int(line[15]),
        line[18],
    )


@functools.cache
def day(year: str, month: str, of_month: str) -> date:
    return date(int(year), int(month), int(of_month))


def number(text: str) -> int | None:
    return None if text == "NA" else int(text)


def ratio(top: int, bottom: int, digits: int) -> Decimal | None:
    """``top / bottom`` as round(numeric, digits) gives it: halves go away from zero."""
    if not bottom:
        return None
    return (Decimal(top) / bottom).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def known(values: Iterable[int | None]) -> list[int]:
    """``values`` without None, as every aggregate takes them."""
    return [value for value in values if value is not None]


def grouped(flights: Iterable[Flight], key: Callable[[Flight], K]) -> dict[K, list[Flight]]:
    groups: defaultdict[K, list[Flight]] = defaultdict(list)
    for row in flights:
        groups[key(row)].append(row)
    return groups


def punctuality(tables: Tables, late: int) -> list[Row]:
    """The answer to airlines.punctuality."""
    answer: list[Row] = []
    by_carrier = grouped(tables.flights, lambda row: row.carrier)
    for carrier in sorted(by_carrier, key=lambda carrier: (-len(by_carrier[carrier]), carrier)):
        flights = by_carrier[carrier]
        delays = known(row.arr_delay for row in flights)
        answer.append(
            (
                carrier,
                tables.airlines[carrier],
                len(flights),
                sum(row.dep_delay is None for row in flights),
                ratio(sum(delays), len(delays), 2),
                ratio(100 * sum(delay > late for delay in delays), len(delays), 1),
            )
        )
    return answer


def worst_of_month(tables: Tables, places: int) -> list[Row]:
    """The answer to flights.worst_of_month."""
    answer = []
    for (carrier, month), flights in grouped(
        tables.flights, lambda row: (row.carrier, row.flown_on.month)
    ).items():
        delays = sorted(known(row.dep_delay for row in flights), reverse=True)
        least = min(delays[:places], default=0)
        for row in flights:
            delay = row.dep_delay
            if delay is not None and delay >= least:
                place = delays.index(delay) + 1
                answer.append(
                    (carrier, month, place, row.flown_on.day, row.flight, row.origin, delay)
                )
    return sorted(answer)


def daily_delay(tables: Tables) -> list[Row]:
    """The answer to flights.daily_delay."""
    answer: list[Row] = []
    days = grouped(tables.flights, lambda row: (row.origin, row.flown_on))
    for origin in sorted({origin for origin, _ in days}):
        totals: list[tuple[int, int]] = []
        for flown_on in sorted(flown_on for place, flown_on in days if place == origin):
            flights = days[origin, flown_on]
            delays = known(row.dep_delay for row in flights)
            totals.append((sum(delays), len(delays)))
            week = totals[-7:]
            answer.append(
                (
                    origin,
                    flown_on,
                    len(flights),
                    ratio(*totals[-1], 2),
                    ratio(sum(minutes for minutes, _ in week), sum(count for _, count in week), 2),
                )
            )
    return answer


def search(
    tables: Tables,
    keep: Callable[[Flight], bool],
    order: Callable[[Flight], tuple[object, ...]],
    limit: int,
) -> list[Row]:
    """The answer to flights.search for filters and an order that ``keep`` and ``order`` say."""
    found = heapq.nsmallest(limit, filter(keep, tables.flights), key=order)
    return [
        (
            *(row.flown_on, row.carrier, row.flight, row.tailnum, row.origin, row.dest),
            *(row.dep_delay, row.distance, datetime.fromisoformat(row.time_hour)),
        )
        for row in found
    ]


def contested(tables: Tables, carriers: Sequence[str]) -> list[Row]:
    """The answer to routes.contested."""
    chosen = [row for row in tables.flights if row.carrier in carriers]
    answer: list[Row] = []
    for (origin, dest), flights in sorted(
        grouped(chosen, lambda row: (row.origin, row.dest)).items()
    ):
        flying = sorted({row.carrier for row in flights})
        if len(flying) > 1:
            fastest = min(known(row.air_time for row in flights), default=None)
            name = tables.airports.get(dest)
            answer.append((origin, dest, name, flying, len(flights), fastest))
    return answer


def delay_percentiles(tables: Tables, fractions: Sequence[float], at_least: int) -> list[Row]:
    """The answer to routes.delay_percentiles."""
    answer: list[Row] = []
    arrived = [row for row in tables.flights if row.arr_delay is not None]
    for (origin, dest), flights in sorted(
        grouped(arrived, lambda row: (row.origin, row.dest)).items()
    ):
        if len(flights) < at_least:
            continue
        delays = sorted(known(row.arr_delay for row in flights))
        median = delays[math.ceil(0.5 * len(delays)) - 1]
        cuts = [interpolated(delays, fraction) for fraction in fractions]
        answer.append((origin, dest, len(delays), cuts, median))
    return answer


def interpolated(values: Sequence[int], fraction: float) -> float:
    """The value at ``fraction`` of the way through ``values``, which are sorted."""
    place = fraction * (len(values) - 1)
    below, above = values[math.floor(place)], values[math.ceil(place)]
    return below + (place - math.floor(place)) * (above - below)


def busiest_planes(tables: Tables, places: int) -> list[Row]:
    """The answer to airports.busiest_planes."""
    answer: list[Row] = []
    flown = [row for row in tables.flights if row.air_time is not None]
    for origin, flights in sorted(grouped(flown, lambda row: row.origin).items()):
        planes = [
            (-sum(row.distance for row in of_plane), tailnum, len(of_plane))
            for tailnum, of_plane in grouped(flights, lambda row: row.tailnum).items()
            if tailnum is not None
        ]
        answer += [
            (origin, tailnum, count, -miles, tables.planes.get(tailnum))
            for miles, tailnum, count in sorted(planes)[:places]
        ]
    return answer


def mean_delay_in_rain(tables: Tables, inches: float) -> Decimal | None:
    """The answer to weather.mean_delay_in_rain."""
    delays = known(
        row.dep_delay
        for row in tables.flights
        if tables.rain.get((row.origin, row.time_hour), -1.0) >= inches
    )
    return ratio(sum(delays), len(delays), 2)
