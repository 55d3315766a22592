import pytest
from pydantic import ValidationError

from startupctl.migrations.keys import MigrationKeys


def test_only_the_directory_is_needed(run):
    keys = MigrationKeys(dir="db/migrations")
    assert (keys.format, keys.table, keys.lock_timeout, keys.timeout) == ("auto", "startupctl_migrations", 600.0, 0.0)
    assert keys.folder(run) == run.folder / "db" / "migrations"


def test_an_empty_url_is_none():
    assert MigrationKeys(dir="m", url="").url is None


def test_a_url_is_shown_without_its_password():
    assert "s3cret" not in repr(MigrationKeys(dir="m", url="postgresql://app:s3cret@db/app"))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"dir": ""}, "at least 1 character"),
        ({"dir": "m", "format": "goosse"}, "not a format, use one of auto, dbmate, plain"),
        ({"dir": "m", "table": "a.b.c"}, "should match pattern"),
        ({"dir": "m", "lock_timeout": "soon"}, "not a duration"),
        ({"dir": "m", "dirr": "m"}, "Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_meant_is_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        MigrationKeys(**keys)


def test_the_schema_lists_the_formats():
    assert {"auto", "dbmate", "plain"} <= set(MigrationKeys.model_json_schema()["properties"]["format"]["enum"])
