-- The queries of the table weather.

-- name: load :copy
copy weather (
    origin, year, month, day, hour, temp, dewp, humid, wind_dir, wind_speed, wind_gust, precip,
    pressure, visib, time_hour
)
from stdin with (format csv, header match, null 'NA');

-- name: count :one -> scalar
select count(*) from weather;

-- name: mean_delay_in_rain :one -> scalar
-- Minutes by which flights left late, on average, in hours of at least so many inches of rain.
select round(avg(flights.dep_delay), 2)
from weather
join flights using (origin, time_hour)
where weather.precip >= :inches;
