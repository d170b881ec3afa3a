-- The queries of the table airlines.

-- name: load :copy
copy airlines (carrier, name)
from stdin with (format csv, header match, null 'NA');

-- name: count :one -> scalar
select count(*) from airlines;

-- name: punctuality :many -> Punctuality
-- How late each airline arrived, in minutes, and what part of its flights left at all.
select
    airlines.carrier,
    airlines.name,
    count(*) as flights,
    count(*) filter (where flights.dep_time is null) as cancelled,
    round(avg(flights.arr_delay), 2) as mean_delay,
    round(
        100.0 * count(*) filter (where flights.arr_delay > :late) / count(flights.arr_delay), 1
    ) as late_percent
from airlines
join flights using (carrier)
group by airlines.carrier
order by flights desc, airlines.carrier;
