-- The ways into flights that the queries take.
-- depends: 0004-refer-from-flights

create index flights_route_index on flights (origin, dest, carrier);

create index flights_weather_index on flights (origin, time_hour);

create index flights_tailnum_index on flights (tailnum);

-- The search for long delays; four flights in five have none.
create index flights_delay_index on flights (dep_delay desc) where dep_delay > 15;
