-- name: check_deferred :exec
-- Checks now what would be checked by the COMMIT that does not come.
set constraints all immediate;
