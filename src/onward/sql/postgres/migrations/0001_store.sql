CREATE TABLE onward.schema_version (version integer NOT NULL);
INSERT INTO onward.schema_version (version) VALUES (0);

-- How a statement says that what it found stands in the way: an error of its own class, so that the commit behind it in
-- the same round trip does not happen. The detail is a JSON array.
CREATE FUNCTION onward.refuse(code text, detail text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = 'refused by Onward', DETAIL = coalesce(detail, '[]');
END
$$;
-- The advisory lock of a partition: 16 bits that are ours, 28 of the topic's number, 20 of the partition's.
CREATE FUNCTION onward.lock_of(topic integer, partition integer) RETURNS bigint LANGUAGE sql IMMUTABLE
AS 'SELECT (20334::bigint << 48) | (topic::bigint << 20) | partition::bigint';

CREATE TABLE onward.app (
    name text COLLATE "C" PRIMARY KEY,
    declaration text NOT NULL,
    written timestamptz NOT NULL
);
CREATE TABLE onward.topic (
    name text COLLATE "C" PRIMARY KEY,
    number integer GENERATED ALWAYS AS IDENTITY UNIQUE,
    incarnation text NOT NULL,
    partitions integer NOT NULL,
    held integer NOT NULL DEFAULT 0,
    forgotten bigint NOT NULL DEFAULT 0,
    made timestamptz NOT NULL
);

CREATE SEQUENCE onward.block_seq;
CREATE TABLE onward.block_form (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    count integer NOT NULL,
    written timestamptz NOT NULL,
    nonce text NOT NULL,
    size integer NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('onward.block_seq'),
    sizes_before bigint NOT NULL,
    put_before bigint NOT NULL,
    maker text COLLATE "C",
    origin_partition integer,
    origin_first bigint,
    origin_end bigint,
    keys bytea,
    entries text NOT NULL,
    PRIMARY KEY (topic, partition, "offset") INCLUDE (count, size)
);
COMMENT ON TABLE onward.block_form IS 'what each segment of blocks looks like; always empty';
COMMENT ON COLUMN onward.block_form.sizes_before IS 'running total of the partition: bytes of the blocks before this one';
COMMENT ON COLUMN onward.block_form.put_before IS 'likewise: records that were put, by no stage or source';
-- What is random does not get smaller.
ALTER TABLE onward.block_form ALTER COLUMN keys SET STORAGE EXTERNAL;
DO $$
BEGIN
    EXECUTE 'ALTER TABLE onward.block_form ALTER COLUMN entries SET COMPRESSION lz4';
EXCEPTION WHEN feature_not_supported OR syntax_error THEN
    NULL; -- a server without it compresses as it does by default
END
$$;
CREATE INDEX ON onward.block_form (seq);
CREATE INDEX ON onward.block_form (maker, origin_partition, origin_end, origin_first)
WHERE origin_first IS NOT NULL;
CREATE INDEX ON onward.block_form (maker, origin_partition, origin_end, origin_first)
WHERE origin_end - origin_first > 10000;
CREATE TABLE onward.retained (
    topic text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    count bigint NOT NULL,
    last integer NOT NULL,
    PRIMARY KEY (topic, partition)
);
COMMENT ON COLUMN onward.retained.last IS 'of these records those of the last block, which may be there still, empty';
CREATE TABLE onward.segment (
    number integer PRIMARY KEY,
    began timestamptz NOT NULL,
    moved timestamptz
);
COMMENT ON COLUMN onward.segment.moved IS 'when what was kept of it was moved on; who began to read before may look for it';
CREATE TABLE onward.block_000001 (LIKE onward.block_form INCLUDING ALL);
INSERT INTO onward.segment (number, began) VALUES (1, clock_timestamp());
-- What retention has passed is kept no more, though its segment may be there; the newest of a partition stays, empty.
CREATE VIEW onward.block AS
SELECT
    topic, partition, "offset", count, written, nonce, size, seq, sizes_before, put_before, maker, origin_partition,
    origin_first, origin_end, keys, entries
FROM onward.block_000001 AS every
WHERE size = 2 OR "offset" + count > coalesce(
    (
        SELECT retained."offset" FROM onward.retained
        WHERE retained.topic = every.topic AND retained.partition = every.partition
    ),
    0
);
CREATE VIEW onward.record AS
SELECT
    block.topic AS topic,
    block.partition AS partition,
    block."offset" + entry.place - 1 AS "offset",
    entry.value ->> 0 AS origin,
    entry.value ->> 1 AS key,
    (entry.value ->> 2)::timestamptz AS "time",
    entry.value -> 3 AS headers,
    entry.value -> 4 AS value
FROM onward.block, json_array_elements(block.entries::json) WITH ORDINALITY AS entry (value, place);

CREATE TABLE onward.shape (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    shape text NOT NULL,
    since timestamptz NOT NULL,
    UNIQUE (topic, fingerprint)
);
CREATE TABLE onward.source (
    name text COLLATE "C" PRIMARY KEY,
    cursor text,
    emitted jsonb NOT NULL DEFAULT '{}',
    last_run timestamptz,
    next_run timestamptz,
    state text NOT NULL DEFAULT 'idle'
);
CREATE TABLE onward.begin (
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    topic text COLLATE "C" NOT NULL,
    "offset" bigint NOT NULL,
    PRIMARY KEY (stage, partition)
);
CREATE INDEX begin_topic ON onward.begin (topic);
CREATE TABLE onward.gone (
    name text COLLATE "C" PRIMARY KEY,
    since timestamptz NOT NULL
);
CREATE TABLE onward.pause (
    name text COLLATE "C" PRIMARY KEY,
    by text NOT NULL,
    since timestamptz NOT NULL
);
CREATE TABLE onward.renamed (
    was text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL
);

CREATE TABLE onward.progress (
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    seq bigint NOT NULL,
    first bigint,
    last bigint,
    next bigint NOT NULL,
    count bigint NOT NULL,
    written timestamptz NOT NULL,
    unit text COLLATE "C",
    finished jsonb NOT NULL,
    totals jsonb NOT NULL,
    dropped text,
    PRIMARY KEY (stage, partition, seq)
);
COMMENT ON COLUMN onward.progress.seq IS 'counts the commits of a stage and partition from 1, without gaps';
CREATE UNIQUE INDEX progress_first ON onward.progress (stage, partition, first);
CREATE UNIQUE INDEX progress_unit ON onward.progress (stage, partition, unit) WHERE unit IS NOT NULL;
CREATE INDEX progress_last ON onward.progress (stage, partition, last);
CREATE INDEX progress_recent ON onward.progress (stage, partition, written, count);
CREATE INDEX progress_wide ON onward.progress (stage, partition, last, first) WHERE last - first > 10000;
CREATE TABLE onward.statistic (
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    minute timestamptz NOT NULL,
    count bigint NOT NULL,
    commits bigint NOT NULL,
    PRIMARY KEY (stage, partition, minute)
);
CREATE TABLE onward.folded (
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    finished jsonb NOT NULL,
    PRIMARY KEY (stage, partition)
);
CREATE TABLE onward.parked (
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    state text NOT NULL,
    key text COLLATE "C",
    due timestamptz NOT NULL,
    attempts integer NOT NULL,
    since timestamptz NOT NULL,
    error text NOT NULL,
    reason text NOT NULL,
    batch text,
    approved boolean NOT NULL,
    nonce text NOT NULL,
    entry text NOT NULL,
    PRIMARY KEY (stage, partition, "offset")
);
CREATE TABLE onward.attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    number integer NOT NULL,
    at timestamptz NOT NULL,
    took double precision NOT NULL,
    error text NOT NULL,
    message text NOT NULL,
    traceback text NOT NULL
);
CREATE INDEX attempt_of ON onward.attempt (stage, partition, "offset");
CREATE TABLE onward.seen (
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    mark text COLLATE "C" NOT NULL,
    "offset" bigint NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (stage, partition, mark)
);
CREATE INDEX seen_offset ON onward.seen (stage, partition, "offset", at);

CREATE TABLE onward.lease (
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    worker text NOT NULL,
    token bigint NOT NULL,
    until timestamptz,
    state text NOT NULL DEFAULT '',
    taken timestamptz NOT NULL,
    crashes integer NOT NULL DEFAULT 0,
    PRIMARY KEY (stage, partition)
) WITH (fillfactor = 50);
COMMENT ON COLUMN onward.lease.until IS 'null: given back';
CREATE TABLE onward.worker (
    name text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL,
    says timestamptz NOT NULL,
    wants text NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN onward.worker.says IS 'what its own clock said when it was last heard of';
CREATE TABLE onward.budget (
    name text COLLATE "C" PRIMARY KEY,
    free_at double precision NOT NULL,
    at double precision NOT NULL,
    per_second double precision NOT NULL
) WITH (fillfactor = 50);
CREATE TABLE onward.call_slot (
    stage text COLLATE "C" NOT NULL,
    worker text COLLATE "C" NOT NULL,
    held integer NOT NULL,
    wants integer NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (stage, worker)
) WITH (fillfactor = 50);

CREATE TABLE onward.request (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text COLLATE "C" NOT NULL,
    partition integer NOT NULL,
    action text NOT NULL,
    match text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    value text,
    done timestamptz,
    result text,
    offsets jsonb
);
CREATE INDEX request_open ON onward.request (stage) WHERE done IS NULL;
CREATE INDEX request_answered ON onward.request (stage, partition, done) WHERE done IS NOT NULL;
CREATE TABLE onward.replay (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stage text COLLATE "C" NOT NULL,
    key text,
    rate double precision,
    same_id boolean NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    cancelled timestamptz
);
CREATE TABLE onward.replay_range (
    number bigint NOT NULL,
    partition integer NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    gone bigint NOT NULL,
    closed timestamptz,
    PRIMARY KEY (number, partition)
);
CREATE INDEX replay_open ON onward.replay_range (number, partition) WHERE closed IS NULL;
CREATE TABLE onward.run (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task text COLLATE "C" NOT NULL,
    by text NOT NULL,
    process text NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz,
    arguments text NOT NULL,
    outcome text NOT NULL,
    error text NOT NULL,
    result text,
    output text NOT NULL
);
CREATE INDEX run_of ON onward.run (task, id);

CREATE TABLE onward.document_table (
    name text COLLATE "C" PRIMARY KEY,
    declaration text NOT NULL
);
CREATE TABLE onward.document (
    "table" text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    state text,
    value text,
    at timestamptz NOT NULL,
    PRIMARY KEY ("table", key)
);
CREATE TABLE onward.document_history (
    "table" text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    version bigint NOT NULL,
    action text NOT NULL,
    state text,
    value text,
    at timestamptz NOT NULL,
    by text NOT NULL,
    origin text,
    PRIMARY KEY ("table", key, version)
);
-- What indexed fields are, as they are sorted: kind 0 is nothing, 2 a number, 4 a text, of which the beginning is here.
CREATE TABLE onward.document_entry (
    "table" text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    kind smallint NOT NULL,
    number numeric NOT NULL,
    text text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL
);
CREATE INDEX document_entry_value ON onward.document_entry ("table", field, kind, number, text, key);
CREATE INDEX document_entry_key ON onward.document_entry ("table", key);
