"""The ledger where several servers share it: no cluster runs here, so what is sent is looked at."""

import pytest

from recorded import Recorded
from startupctl.migrations.clickhouse.ledger import ClickHouseLedger
from startupctl.migrations.ledger import Entry, State

ENTRY = Entry("1", "1_a.sql", "plain", "raw", "content", State.DONE, started_at="2026-11-24 00:00:00+00:00")
COLUMNS = (
    "version name format raw_sha256 content_sha256 state statement_no statements_sha256 started_at finished_at host"
)
ROWS = [["ReplicatedReplacingMergeTree", name] for name in (*COLUMNS.split(), "tool_version", "error", "revision")]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("cluster", "database", "on_cluster", "engine"),
    [
        ("", "Atomic", "", "ReplacingMergeTree(revision)"),
        ("", "Shared", "", "ReplacingMergeTree(revision)"),
        ("", "Replicated", "", "ReplicatedReplacingMergeTree(revision)"),
        ("main", "Replicated", "", "ReplicatedReplacingMergeTree(revision)"),
        (
            "main",
            "Atomic",
            " ON CLUSTER `main`",
            "ReplicatedReplacingMergeTree('/startupctl/{database}/m', '{replica}', revision)",
        ),
    ],
)
async def test_the_table_is_made_as_its_database_wants_it(cluster, database, on_cluster, engine):
    server = Recorded(("system.databases", [[database]]))
    await ClickHouseLedger("m", cluster).create(server)
    sql = server.sent[-1]
    assert f"CREATE TABLE IF NOT EXISTS `m`{on_cluster} (" in sql
    assert f"ENGINE = {engine} ORDER BY version" in sql


@pytest.mark.anyio
async def test_rows_of_a_replicated_table_are_kept_by_most_and_read_where_they_are():
    server = Recorded(("system.columns", ROWS))
    ledger = ClickHouseLedger("m")
    await ledger.read(server)
    assert server.sent[-1].endswith(" SETTINGS select_sequential_consistency = 1")
    await ledger.record(server, [ENTRY])
    assert "SETTINGS async_insert = 0, insert_quorum = 'auto', insert_quorum_parallel = 0 VALUES" in server.sent[-1]


@pytest.mark.anyio
async def test_a_table_of_one_server_is_written_and_read_without_a_quorum():
    server = Recorded(("system.columns", [["ReplacingMergeTree", name] for _, name in ROWS]))
    ledger = ClickHouseLedger("m")
    await ledger.read(server)
    await ledger.record(server, [ENTRY])
    assert not any("quorum" in sql or "sequential" in sql for sql in server.sent)


@pytest.mark.anyio
async def test_rows_stand_behind_those_that_were_forgotten_too():
    server = Recorded(("max(revision)", [["1", "7"]]))
    await ClickHouseLedger("m").record(server, [ENTRY])
    assert server.sent[-1].endswith(", 8)")
    assert "concat(toString(now64(6, 'UTC')), '+00:00')" in server.sent[-1]  # it has no end yet: now, by the server
