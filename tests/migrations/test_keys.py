import pytest
from pydantic import ValidationError

from startupctl.migrations.keys import MigrationKeys

TOOL = {"check": ["alembic", "current", "--check-heads"], "up": ["alembic", "upgrade", "head"]}


def test_only_the_directory_is_needed(run):
    keys = MigrationKeys(dir="db/migrations")
    assert (keys.format, keys.table, keys.lock_timeout, keys.timeout) == ("auto", "startupctl_migrations", 600.0, 0.0)
    assert keys.folder(run) == run.folder / "db" / "migrations"


def test_a_tool_takes_the_place_of_the_directory():
    keys = MigrationKeys(tool=TOOL, lock_timeout="1m", timeout="1h", url="postgresql://db/app")
    assert keys.tool.label == "alembic ..."


def test_an_empty_url_is_none():
    assert MigrationKeys(dir="m", url="").url is None


def test_a_url_is_shown_without_its_password():
    assert "s3cret" not in repr(MigrationKeys(dir="m", url="postgresql://app:s3cret@db/app"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"dir": ""}, "at least 1 character"),
        (
            {"dir": "m", "format": "goosse"},
            "use one of auto, atlas, dbmate, flyway, golang-migrate, goose, plain, prisma",
        ),
        ({"dir": "m", "table": "a.b.c"}, "should match pattern"),
        ({"dir": "m", "lock_timeout": "soon"}, "not a duration"),
        ({"dir": "m", "dirr": "m"}, "Extra inputs are not permitted"),
        ({}, "`dir` or `tool` is missing"),
        ({"tool": TOOL, "dir": "m"}, "`tool` and `dir` exclude each other"),
        ({"tool": TOOL, "format": "goose"}, "`tool` and `format` exclude each other"),
        ({"tool": TOOL, "out_of_order": "apply"}, "`tool` and `out_of_order` exclude each other"),
        ({"tool": {"check": ["alembic"]}}, "Field required"),
        ({"tool": {**TOOL, "up": []}}, "at least 1 item"),
        ({"tool": {**TOOL, "up": "alembic upgrade head"}}, "valid list"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        MigrationKeys(**keys)


def test_the_schema_lists_the_formats():
    assert {"auto", "dbmate", "golang-migrate", "plain"} <= set(
        MigrationKeys.model_json_schema()["properties"]["format"]["enum"]
    )
