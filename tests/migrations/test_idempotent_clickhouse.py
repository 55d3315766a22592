import pytest

from startupctl.migrations.clickhouse.idempotent import (
    is_distributed,
    is_idempotent,
    is_insert,
    keeps_session,
    makes_temporary,
)

AGAIN = """
SELECT 1
(SELECT 1) UNION ALL (SELECT 2)
WITH 1 AS one SELECT one
SHOW TABLES
SET max_threads = 1;
SYSTEM FLUSH LOGS
OPTIMIZE TABLE t FINAL
GRANT SELECT ON d.* TO u
REVOKE SELECT ON d.* FROM u
TRUNCATE TABLE t
CREATE TABLE IF NOT EXISTS t (id UInt64) ENGINE = MergeTree ORDER BY id
create table if not exists d.t (id UInt64, twice UInt64 ALIAS id * 2) engine = Log
CREATE TEMPORARY TABLE IF NOT EXISTS t (id UInt64)
CREATE TABLE IF NOT EXISTS t AS other ENGINE = Log
CREATE TABLE /* IF NOT EXISTS */ IF NOT EXISTS t ON CLUSTER '{cluster}' (id UInt64) ENGINE = Log
CREATE OR REPLACE TABLE t ENGINE = Log AS SELECT 1
CREATE OR REPLACE VIEW v AS SELECT 1
CREATE VIEW IF NOT EXISTS v AS SELECT 1
CREATE MATERIALIZED VIEW IF NOT EXISTS v TO t AS SELECT 1
CREATE DATABASE IF NOT EXISTS d
CREATE DICTIONARY IF NOT EXISTS d (id UInt64) PRIMARY KEY id SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(0)
CREATE FUNCTION IF NOT EXISTS f AS x -> (SELECT x)
CREATE USER IF NOT EXISTS u IDENTIFIED BY 'secret'
CREATE ROW POLICY IF NOT EXISTS p ON t USING 1
CREATE INDEX IF NOT EXISTS i ON t (a) TYPE minmax
DROP TABLE IF EXISTS t
DROP MATERIALIZED VIEW IF EXISTS v SYNC
DETACH TABLE IF EXISTS t
ATTACH TABLE IF NOT EXISTS t
ALTER TABLE t ADD COLUMN IF NOT EXISTS a UInt8
ALTER TABLE d.t ON CLUSTER c ADD COLUMN IF NOT EXISTS a UInt8, DROP COLUMN IF EXISTS b
ALTER TABLE d . t ON CLUSTER '{cluster}' MODIFY COLUMN a Enum8('a,b' = 1, 'c' = 2)
ALTER TABLE t ON CLUSTER {cluster:Identifier} COMMENT COLUMN a 'one, two'
ALTER TABLE `odd . name` ADD INDEX IF NOT EXISTS i (a, b) TYPE minmax, MODIFY SETTING x = 1, y = 2
ALTER TABLE t RENAME COLUMN IF EXISTS a TO b
ALTER TABLE t (ADD COLUMN IF NOT EXISTS a UInt8), (MODIFY COMMENT 'x')
ALTER TABLE v MODIFY QUERY SELECT a, b FROM t
ALTER TABLE t MODIFY TTL day + INTERVAL 1 DAY
ALTER TABLE t RESET SETTING x
ALTER TABLE t MATERIALIZE INDEX i
ALTER TABLE IF EXISTS t MODIFY COLUMN a UInt8
ALTER TABLE t ALTER COLUMN a TYPE UInt16
ALTER DATABASE d MODIFY COMMENT 'x'
"""
ONCE = """
INSERT INTO t VALUES (1)
INSERT INTO t SELECT 1
WITH 1 AS one INSERT INTO t SELECT one
RENAME TABLE a TO b
EXCHANGE TABLES a AND b
CREATE TABLE t (id UInt64) ENGINE = Log
CREATE TABLE t (`IF NOT EXISTS` UInt8) ENGINE = Log
CREATE TABLE IF NOT EXISTS t ENGINE = Log AS SELECT 1
CREATE TABLE IF NOT EXISTS t ENGINE = Log AS (SELECT 1)
CREATE TABLE IF NOT EXISTS t ENGINE = Log AS WITH 1 AS x SELECT x
CREATE MATERIALIZED VIEW IF NOT EXISTS v ENGINE = Log POPULATE AS SELECT 1
CREATE VIEW v AS SELECT 1
CREATE VIEW v AS SELECT 1 WHERE NOT EXISTS (SELECT 1)
DROP TABLE t
DROP TABLE IF EMPTY t
DETACH TABLE t
ATTACH TABLE t
UNDROP TABLE t
DELETE FROM t WHERE 1
UPDATE t SET a = a + 1 WHERE 1
ALTER TABLE t ADD COLUMN a UInt8
ALTER TABLE t ADD COLUMN IF NOT EXISTS a UInt8, ADD COLUMN b UInt8
ALTER TABLE t MODIFY COLUMN a UInt8, DROP COLUMN b
ALTER TABLE t MODIFY SETTING x = 1, UPDATE a = 1 WHERE 1
ALTER TABLE t RENAME COLUMN a TO b
ALTER TABLE t UPDATE a = a + 1 WHERE 1
ALTER TABLE t DELETE WHERE a = 1
ALTER TABLE t DROP PARTITION 1
ALTER TABLE t ATTACH PARTITION 1 FROM u
ALTER TABLE t MODIFY TTL a + INTERVAL 1 DAY, b + INTERVAL 2 DAY
ALTER USER u RENAME TO v
MOVE ROLE a TO b
SET a = 1; INSERT INTO t VALUES (1)
"""


@pytest.mark.parametrize("sql", AGAIN.strip().split("\n"))
def test_what_can_be_run_again(sql):
    assert is_idempotent(sql)


@pytest.mark.parametrize("sql", ["", "-- nothing", *ONCE.strip().split("\n")])
def test_what_a_person_has_to_look_at(sql):
    assert not is_idempotent(sql)


def test_an_alter_of_endless_length_is_left_to_a_person():
    columns = ", ".join(f"ADD COLUMN IF NOT EXISTS c{n} UInt8" for n in range(2000))
    assert not is_idempotent(f"ALTER TABLE t {columns}, ADD COLUMN a UInt8")


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("INSERT INTO t VALUES (1)", "insert"),
        ("WITH 1 AS one INSERT INTO t SELECT one", "insert"),
        ("SET a = 1", "session"),
        ("USE other", "session"),
        ("CREATE TEMPORARY TABLE t (id UInt64)", "temporary"),
        ("CREATE OR REPLACE TEMPORARY TABLE t (id UInt64)", "temporary"),
        ("CREATE TABLE t ON CLUSTER c (id UInt64) ENGINE = Log", "distributed"),
        ("SELECT 'ON CLUSTER' -- ON CLUSTER", ""),
    ],
)
def test_what_a_statement_is(sql, kinds):
    asked = {"insert": is_insert, "session": keeps_session, "temporary": makes_temporary, "distributed": is_distributed}
    assert " ".join(kind for kind, question in asked.items() if question(sql)) == kinds
