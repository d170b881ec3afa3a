-- What flights refer to. Codes compare byte by byte, so that they sort alike on every server.

create table airlines (
    carrier text collate "C" primary key,
    name text not null unique,

    constraint airlines_carrier_format check (carrier ~ '^[0-9A-Z]{2}$')
);

create table airports (
    faa text collate "C" primary key,
    name text not null,
    lat double precision not null,
    lon double precision not null,
    alt integer not null,
    tz smallint not null,
    dst text not null,
    tzone text,

    constraint airports_faa_format check (faa ~ '^[0-9A-Z]{3}$'),
    constraint airports_lat_range check (lat between -90 and 90),
    constraint airports_lon_range check (lon between -180 and 180),
    constraint airports_tz_range check (tz between -12 and 14),
    constraint airports_dst_known check (dst in ('A', 'N', 'U'))
);

create table planes (
    tailnum text collate "C" primary key,
    year smallint,
    type text not null,
    manufacturer text not null,
    model text not null,
    engines smallint not null,
    seats smallint not null,
    speed smallint,
    engine text not null,

    constraint planes_year_range check (year between 1903 and 2013),
    constraint planes_engines_positive check (engines > 0),
    constraint planes_seats_positive check (seats > 0),
    constraint planes_speed_positive check (speed > 0)
);
