from datetime import UTC, datetime, timedelta, timezone

import pytest

from migration_files import GOOSE, UP
from startupctl.check import Unhealthy
from startupctl.migrations.files import read_directory
from startupctl.migrations.new_file import new_file

NOON = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)


def test_a_new_file_is_dbmates_and_can_be_read(tmp_path):
    path = new_file(tmp_path / "db" / "migrations", "Add users: e-mail & name", NOON)
    assert path.name == "20260131120000_add_users_e_mail_name.sql"
    [found] = read_directory(path.parent, "auto").migrations
    assert (found.version, found.format) == ("20260131120000", "dbmate")


def test_the_number_is_the_time_in_utc(tmp_path):
    there = NOON.astimezone(timezone(timedelta(hours=9)))
    assert new_file(tmp_path, "a", there).name == "20260131120000_a.sql"


def test_no_number_is_given_twice_and_no_file_is_overwritten(tmp_path):
    (tmp_path / "20260131120001_x.sql").write_text(UP)
    names = [new_file(tmp_path, name, NOON).name for name in ("a", "b", "a")]
    assert names == ["20260131120000_a.sql", "20260131120002_b.sql", "20260131120003_a.sql"]
    assert (tmp_path / "20260131120001_x.sql").read_text() == UP


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c\0d\n", "x" * 500, "Ümläute", "名前"])
def test_a_name_is_only_a_name(tmp_path, name):
    path = new_file(tmp_path, name, NOON)
    assert path.parent == tmp_path
    assert path.exists()
    assert len(path.name) < 100


@pytest.mark.parametrize("name", ["", "../..", " - "])
def test_a_name_without_a_letter_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="no letter and no digit"):
        new_file(tmp_path, name, NOON)


@pytest.mark.parametrize(
    ("files", "wanted", "form"),
    [
        ({"1_a.sql": "SELECT 1;"}, "auto", "plain"),
        ({"1_a.sql": GOOSE}, "auto", "goose"),
        ({"V1__a.sql": ""}, "auto", "flyway"),
        ({"migration_lock.toml": ""}, "auto", "prisma"),
        ({}, "goose", "goose"),
    ],
)
def test_a_directory_of_another_tool_gets_no_file_of_dbmates(write, files, wanted, form):
    folder = write(files)
    with pytest.raises(Unhealthy) as caught:
        new_file(folder, "b", NOON, wanted)
    assert f"holds files of {form}, and a new one would be in the form of dbmate" in caught.value.diagnosis.summary
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)


def test_a_directory_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unhealthy) as caught:
        new_file(tmp_path / "file" / "migrations", "a", NOON)
    assert "cannot be written to: Not a directory" in caught.value.diagnosis.summary
