-- Failures that are counted, per digest of what they were about, in windows of fixed length.

CREATE TABLE throttles (
    key bytea PRIMARY KEY,
    failures integer NOT NULL,
    window_ends_at timestamptz NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX throttles_window_ends_at ON throttles (window_ends_at);
