SELECT event_type, op, count(*) FROM temp.step JOIN temp.staged USING (seq) GROUP BY event_type, op
