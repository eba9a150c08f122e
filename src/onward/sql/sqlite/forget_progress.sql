DELETE FROM progress WHERE seq IN (
    SELECT seq FROM progress WHERE stage = :name AND seq NOT IN (
        SELECT coalesce(
            (
                SELECT max(newest.seq) FROM progress AS newest
                WHERE newest.stage = begin.stage AND newest.partition = begin.partition
            ),
            0
        )
        FROM begin WHERE begin.stage = :name
    )
    LIMIT :most
)
