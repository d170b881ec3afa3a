-- What flights refer to; added to the loaded table, which checks all rows in one go.
-- depends: 0003-create-flights

alter table flights
    add constraint flights_carrier_fkey foreign key (carrier) references airlines,
    add constraint flights_origin_fkey foreign key (origin) references airports;
