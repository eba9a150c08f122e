INSERT INTO progress (stage, partition, first, last, next, count, written, unit, finished, totals, dropped)
VALUES (:stage, :partition, :first, :last, :next, :count, :written, :unit, :finished, :totals, :dropped)
