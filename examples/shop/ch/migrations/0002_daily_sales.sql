CREATE TABLE IF NOT EXISTS daily_sales (
    day Date,
    product_id UInt64,
    sales UInt64
) ENGINE = SummingMergeTree ORDER BY (day, product_id);

CREATE MATERIALIZED VIEW IF NOT EXISTS count_sales TO daily_sales AS
SELECT toDate(at) AS day, product_id, count() AS sales FROM events WHERE kind = 'sale' GROUP BY day, product_id;
