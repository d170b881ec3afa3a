alter table flights
    drop constraint flights_origin_fkey,
    drop constraint flights_carrier_fkey;
