UPDATE onward.parked SET state = 'retrying', due = promoted.due, since = promoted.due
FROM unnest(%(offsets)s::bigint[], %(dues)s::timestamptz[]) AS promoted ("offset", due)
WHERE parked.stage = %(stage)s AND parked.partition = %(partition)s AND parked."offset" = promoted."offset"
AND parked.state = 'behind'
