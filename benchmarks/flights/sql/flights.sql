-- The queries of the table flights.

-- name: load :copy
-- @timeout 5min
copy flights (
    year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay,
    carrier, flight, tailnum, origin, dest, air_time, distance, hour, minute, time_hour
)
from stdin with (format csv, header match, null 'NA');

-- name: count :one -> scalar
select count(*) from flights;

-- name: analyze :exec
-- Statistics for the planner, as after every load of whole tables.
analyze airlines, airports, planes, weather, flights;

-- name: worst_of_month :many
-- The flights that left latest, by airline and month; equal delays share a place.
with ranked as (
    select
        carrier,
        month,
        rank() over (partition by carrier, month order by dep_delay desc) as place,
        day,
        flight,
        origin,
        dep_delay
    from flights
    where dep_delay is not null
)
select carrier, month, place, day, flight, origin, dep_delay
from ranked
where place <= :places
order by carrier, month, place, day, flight, origin;

-- name: daily_delay :many
-- Each day's mean delay at departure, and that of the seven days that end with it.
select
    origin,
    flown_on,
    count(*) as flights,
    round(avg(dep_delay), 2) as mean_delay,
    round(sum(sum(dep_delay)) over week / sum(count(dep_delay)) over week, 2) as week_delay
from flights
group by origin, flown_on
window week as (partition by origin order by flown_on rows 6 preceding)
order by origin, flown_on;

-- name: search :many -> Flight
-- @timeout 10s
-- Flights by any combination of filters.
select flown_on, carrier, flight, tailnum, origin, dest, dep_delay, distance, time_hour
from flights
where true
    /*? carriers */ and carrier = any(:carriers) /*?*/
    /*? origin */ and origin = :origin /*?*/
    /*? dest */ and dest = :dest /*?*/
    /*? first, last */ and flown_on between :first and :last /*?*/
    /*? min_delay */ and dep_delay >= :min_delay /*?*/
    /*? only_cancelled */ and dep_time is null /*?*/
order by
    /*= sort:
        latest: dep_delay desc nulls last, flown_on, carrier, flight, origin
        | farthest: distance desc, flown_on, carrier, flight, origin
    */ flown_on, carrier, flight, origin /*=*/
limit :limit;
