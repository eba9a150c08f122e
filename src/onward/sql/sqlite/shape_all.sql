SELECT fingerprint, shape, since FROM shape WHERE topic = :topic ORDER BY seq
