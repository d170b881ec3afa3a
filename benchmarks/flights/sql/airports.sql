-- The queries of the table airports.

-- name: load :copy
copy airports (faa, name, lat, lon, alt, tz, dst, tzone)
from stdin with (format csv, header match, null 'NA');

-- name: count :one -> scalar
select count(*) from airports;

-- name: busiest_planes :many -> BusyPlane
-- The planes that flew the most miles from each origin; those that planes does not know as well.
select
    origins.faa as origin,
    busiest.tailnum,
    busiest.flights,
    busiest.miles,
    planes.manufacturer as "plane.manufacturer",
    planes.model as "plane.model",
    planes.year as "plane.year"
from airports as origins
cross join lateral (
    select tailnum, count(*) as flights, sum(distance) as miles
    from flights
    where flights.origin = origins.faa
        and tailnum is not null
        and air_time is not null
    group by tailnum
    order by miles desc, tailnum
    limit :places
) as busiest
left join planes using (tailnum)
order by origins.faa, busiest.miles desc, busiest.tailnum;
