SELECT number FROM onward.segment
WHERE moved IS NULL OR moved < clock_timestamp() - %(seconds)s * interval '1 second'
ORDER BY number
