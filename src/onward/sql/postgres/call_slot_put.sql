INSERT INTO onward.call_slot (stage, worker, held, wants, until)
VALUES (%(stage)s, %(worker)s, %(held)s, %(wants)s, %(until)s)
