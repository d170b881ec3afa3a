drop table planes;

drop table airports;

drop table airlines;
