SELECT seq, written, count, finished FROM onward.progress
WHERE stage = %(stage)s AND partition = %(partition)s AND seq = ANY(%(seqs)s::bigint[]) FOR UPDATE
