CREATE TABLE IF NOT EXISTS events (
    at DateTime64(3) DEFAULT now64(3),
    kind LowCardinality(String),
    product_id UInt64
) ENGINE = MergeTree ORDER BY (kind, at);
