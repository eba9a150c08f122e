CREATE TABLE onward.home (
    one integer PRIMARY KEY CHECK (one = 1),
    state text NOT NULL,
    move text NOT NULL,
    other text NOT NULL,
    by text NOT NULL,
    at timestamptz NOT NULL,
    told text NOT NULL DEFAULT '',
    kind text NOT NULL DEFAULT '',
    after text NOT NULL DEFAULT ''
);
COMMENT ON COLUMN onward.home.told IS 'what somebody is told who wants to change something';
-- What the triggers do that a store gets when it has moved, or is on its way.
CREATE FUNCTION onward.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'OW009', MESSAGE = (SELECT told FROM onward.home);
END
$$;
