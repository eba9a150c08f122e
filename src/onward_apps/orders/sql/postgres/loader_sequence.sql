CREATE TABLE IF NOT EXISTS {schema}.loader_sequence (
    process     text   PRIMARY KEY,
    delivery_id bigint NOT NULL,
    event_id    bigint NOT NULL
)
