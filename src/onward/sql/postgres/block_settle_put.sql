UPDATE {newest} SET put_before = put_before + %(more)s
WHERE topic = %(topic)s AND partition = (
    SELECT min(partition) FROM {newest} AS block WHERE block.topic = %(topic)s
)
