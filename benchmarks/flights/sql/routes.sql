-- The queries of what flights have in common: an origin and a destination.

-- name: contested :many -> Route
-- The routes that several of these airlines fly, with the airlines in the order of their codes.
select
    flights.origin,
    flights.dest,
    airports.name as dest_name,
    array_agg(distinct flights.carrier order by flights.carrier) as carriers,
    count(*) as flights,
    min(flights.air_time) as fastest
from flights
left join airports on airports.faa = flights.dest
where flights.carrier = any(:carriers)
group by flights.origin, flights.dest, airports.name
having count(distinct flights.carrier) > 1
order by flights.origin, flights.dest;

-- name: delay_percentiles :many
-- Minutes by which flights arrived late, at each of these fractions of the flights of a route.
select
    origin,
    dest,
    count(arr_delay) as arrived,
    percentile_cont(:fractions::double precision[]) within group (order by arr_delay) as delays,
    percentile_disc(0.5) within group (order by arr_delay) as median
from flights
where arr_delay is not null
group by origin, dest
having count(*) >= :at_least
order by origin, dest;
