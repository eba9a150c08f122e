SELECT EXISTS (
    SELECT 1 FROM parked JOIN begin ON begin.stage = parked.stage AND begin.partition = parked.partition
    WHERE begin.topic = :topic AND parked.partition = :partition AND parked."offset" < :offset
)
