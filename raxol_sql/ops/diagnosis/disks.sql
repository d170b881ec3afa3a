-- Where the server keeps what it stores.

-- name: places :many
-- @timeout 5s
-- The places of data: the server's own folder, NULL for a role that may not know it, and those of
-- tablespaces. They are on this machine if the connection is no TCP connection.
select
    'the data of the server' as name,
    (select setting from pg_settings where name = 'data_directory') as path,
    inet_server_addr() is null as is_here
union all
select
    'the tablespace ' || quote_ident(spcname),
    pg_tablespace_location(oid),
    inet_server_addr() is null
from pg_tablespace
where pg_tablespace_location(oid) <> '';
