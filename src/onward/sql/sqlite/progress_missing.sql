SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'progress'), 0) - (SELECT count(*) FROM progress)
