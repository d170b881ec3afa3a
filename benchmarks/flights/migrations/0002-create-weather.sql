-- Hourly weather at the airports of origin.
-- depends: 0001-create-airlines-airports-planes

create table weather (
    origin text collate "C" not null references airports,
    year smallint not null,
    month smallint not null,
    day smallint not null,
    hour smallint not null,
    temp double precision,
    dewp double precision,
    humid double precision,
    wind_dir smallint,
    wind_speed double precision,
    wind_gust double precision,
    precip double precision not null,
    pressure double precision,
    visib double precision not null,
    time_hour timestamptz not null,

    -- The local hour does not do as a key: one of them comes twice when summer time ends.
    primary key (origin, time_hour),
    constraint weather_hour_range check (hour between 0 and 23),
    constraint weather_humid_range check (humid between 0 and 100),
    constraint weather_wind_dir_range check (wind_dir between 0 and 360),
    -- No upper bound: one of the rows reports 1048 miles per hour.
    constraint weather_wind_speed_range check (wind_speed >= 0),
    constraint weather_precip_range check (precip >= 0)
);
