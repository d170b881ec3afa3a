drop table flights;
