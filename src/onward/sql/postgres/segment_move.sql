WITH moved AS (
    DELETE FROM {segment} WHERE topic = %(topic)s AND partition = %(partition)s AND "offset" = ANY(%(offsets)s::bigint[])
    RETURNING {columns}
)
INSERT INTO {into} ({columns}) SELECT {columns} FROM moved
