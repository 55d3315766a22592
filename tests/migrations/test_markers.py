import hashlib

import pytest

from startupctl.migrations.folder import Folder, Source
from startupctl.migrations.markers import ATLAS, refuse_foreign


def refused(tmp_path, line, own=""):
    folder = Folder(tmp_path)
    text = f"SELECT 1;\n{line}\nSELECT 2;\n"
    refuse_foreign(folder, Source("1.sql", tmp_path / "1.sql", text, text.encode()), "plain SQL", own)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in folder.problems]


@pytest.mark.parametrize(
    "line",
    [
        "-- migrate:up",
        "--migrate:down transaction:false",
        "  -- MIGRATE: Up",
        "-- migrate :down",
        "-- migrate-up",
        "-- migrate down\r",
        "-- +goose Down",
        "-- + goose StatementBegin",
        "--+goose",
        "-- goose up",
        "-- goose: no transaction",
        "-- migrator:down",
        "-- +migrate Down",
        "-- rambler down",
        "---- create above / drop below ----",
        "-- liquibase formatted sql",
        "--liquibase formatted sql",
        "-- changeset ada:1",
        "-- atlas:checkpoint",
    ],
)
def test_a_marker_is_told_whole_or_half_written(tmp_path, line):
    [problem] = refused(tmp_path, line)
    assert problem == (
        f"1.sql:2:1: `{line.strip()}` marks the file of another tool, which cannot be read as plain SQL, "
        "set `migrations.format`"
    )


@pytest.mark.parametrize(
    "line",
    [
        "-- migrate the users up to the new table",
        "-- the goose goes up",
        "-- goose feathers",
        "-- migrates upwards",
        "SELECT '-- migrate:up';",
        "-- changeset",
        "-- atlas:nolint",
        "-- #goose",
    ],
)
def test_prose_is_no_marker(tmp_path, line):
    assert refused(tmp_path, line) == []


def test_a_format_knows_its_own_markers(tmp_path):
    assert refused(tmp_path, "-- atlas:txmode none", ATLAS) == []
    assert refused(tmp_path, "-- migrate:up", ATLAS) != []


def test_a_source_knows_the_hash_of_its_bytes(tmp_path):
    source = Source("a/1.sql", tmp_path, "", b"abc")
    assert (source.raw, source.base) == (hashlib.sha256(b"abc").hexdigest(), "1.sql")
