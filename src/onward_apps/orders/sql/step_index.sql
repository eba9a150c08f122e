CREATE UNIQUE INDEX temp.step_seq ON step (seq)
