SELECT sum(count) FROM progress WHERE stage = :stage AND partition = :partition AND written >= :since
