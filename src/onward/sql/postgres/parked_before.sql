SELECT EXISTS (
    SELECT 1 FROM onward.parked
    JOIN onward.begin ON begin.stage = parked.stage AND begin.partition = parked.partition
    WHERE begin.topic = %(topic)s AND parked.partition = %(partition)s AND parked."offset" < %(offset)s
)
