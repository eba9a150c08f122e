DECLARE onward_unit NO SCROLL CURSOR WITH HOLD FOR
SELECT CAST('tx must not be committed by a handler, Onward does that ' || pg_backend_pid() AS integer)
