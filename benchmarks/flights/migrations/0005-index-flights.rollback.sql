drop index flights_delay_index;

drop index flights_tailnum_index;

drop index flights_weather_index;

drop index flights_route_index;
