INSERT INTO onward.worker (name, until, says, wants) VALUES (%(name)s, %(until)s, %(says)s, %(wants)s)
ON CONFLICT (name) DO UPDATE SET until = excluded.until, says = excluded.says, wants = excluded.wants
