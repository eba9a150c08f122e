UPDATE onward.retained SET last = block.count
FROM onward.block
WHERE block.topic = retained.topic AND block.partition = retained.partition
AND block.size = 2 AND block."offset" + block.count = retained."offset"
