UPDATE onward.progress SET totals = totals #- ARRAY['emitted', %(name)s]
WHERE (stage, partition, seq) IN (SELECT stage, partition, max(seq) FROM onward.progress GROUP BY stage, partition)
AND totals -> 'emitted' ? %(name)s
