SELECT stage, partition FROM begin WHERE topic = :topic
