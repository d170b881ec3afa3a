-- Every flight that left New York in 2013. Times of day are local and written as 517 for 5:17.
-- Foreign keys and indexes come after the load, which takes three times as long with them.
-- depends: 0002-create-weather

create table flights (
    year smallint not null,
    month smallint not null,
    day smallint not null,
    dep_time smallint,
    sched_dep_time smallint not null,
    dep_delay smallint,
    arr_time smallint,
    sched_arr_time smallint not null,
    arr_delay smallint,
    carrier text collate "C" not null,
    flight smallint not null,
    -- No foreign key ever: one flight in six has a plane that planes does not know, or none at all.
    tailnum text collate "C",
    origin text collate "C" not null,
    -- Nor here: airports leaves out the four of Puerto Rico and the Virgin Islands.
    dest text collate "C" not null,
    air_time smallint,
    distance smallint not null,
    hour smallint not null,
    minute smallint not null,
    -- Nor to weather: some hours have no report.
    time_hour timestamptz not null,
    flown_on date not null generated always as (make_date(year, month, day)) stored,

    -- With the origin, because on some days one number flies from two of them.
    primary key (year, month, day, carrier, flight, origin),
    constraint flights_dest_elsewhere check (dest <> origin),
    constraint flights_sched_dep_time_parts check (sched_dep_time = hour * 100 + minute),
    constraint flights_minute_range check (minute between 0 and 59),
    constraint flights_dep_time_range check (dep_time between 0 and 2400),
    constraint flights_arr_time_range check (arr_time between 0 and 2400),
    -- What never left has no delay, and did not arrive.
    constraint flights_departed check ((dep_time is null) = (dep_delay is null)),
    constraint flights_arrived check (arr_time is null or dep_time is not null),
    constraint flights_flown check ((air_time is null) = (arr_delay is null)),
    constraint flights_air_time_positive check (air_time > 0),
    constraint flights_distance_positive check (distance > 0)
);
