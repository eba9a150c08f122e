ALTER TABLE block ADD COLUMN maker TEXT;
ALTER TABLE block ADD COLUMN origin_partition INTEGER;
ALTER TABLE block ADD COLUMN origin_first INTEGER;
ALTER TABLE block ADD COLUMN origin_end INTEGER;
ALTER TABLE progress ADD COLUMN dropped TEXT;
ALTER TABLE request ADD COLUMN value TEXT;
ALTER TABLE request ADD COLUMN offsets TEXT;
CREATE TABLE retained (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
INSERT INTO retained (topic, partition, "offset", count)
SELECT topic, partition, first, first FROM (
    SELECT topic, partition, coalesce(min(CASE WHEN size > 2 THEN "offset" END), max("offset" + count)) AS first
    FROM block GROUP BY topic, partition
) WHERE first > 0;
-- What was made before this is found by the origins of each block's first and last entry; which of several stages made
-- it is taken from the declarations, where only one of them can have.
CREATE TEMP TABLE made AS
SELECT
    topic, partition, "offset",
    json_extract(entries, '$[0][0]') AS first,
    json_extract(entries, '$[#-1][0]') AS last
FROM block WHERE json_extract(entries, '$[0][0]') IS NOT NULL;
UPDATE block SET
    maker = found.stage,
    origin_partition = found.origin_partition,
    origin_first = found.origin_first,
    origin_end = found.origin_end
FROM (
    WITH cut AS (
        SELECT
            topic, partition, "offset",
            substr(first, 1, instr(first, ':') - 1) AS origin,
            substr(first, instr(first, ':') + 1) AS first,
            substr(last, instr(last, ':') + 1) AS last
        FROM made
    ), spot AS (
        SELECT
            topic, partition, "offset", origin,
            CAST(first AS INTEGER) AS origin_partition,
            CAST(substr(first, instr(first, ':') + 1) AS INTEGER) AS origin_first,
            CAST(substr(last, max(instr(last, ':'), instr(last, '-')) + 1) AS INTEGER) + 1 AS origin_end
        FROM cut
    ), arrow AS (
        SELECT stage.value ->> 'name' AS stage, stage.value ->> 'topic' AS origin, output.value AS topic
        FROM app, json_each(app.declaration -> 'stages') AS stage, json_each(stage.value -> 'to') AS output
    )
    SELECT spot.*, min(arrow.stage) AS stage
    FROM spot JOIN arrow ON arrow.origin = spot.origin AND arrow.topic = spot.topic
    GROUP BY spot.topic, spot.partition, spot."offset" HAVING count(*) = 1
) AS found
WHERE block.topic = found.topic AND block.partition = found.partition AND block."offset" = found."offset";
DROP TABLE made;
CREATE INDEX block_made ON block (maker, origin_partition, origin_end, origin_first)
WHERE origin_first IS NOT NULL;
CREATE INDEX block_wide ON block (maker, origin_partition, origin_end, origin_first)
WHERE origin_end - origin_first > 10000;
CREATE INDEX progress_wide ON progress (stage, partition, last, first) WHERE last - first > 10000;
CREATE INDEX request_of ON request (stage, partition) WHERE done IS NOT NULL;
