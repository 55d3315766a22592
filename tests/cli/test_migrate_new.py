"""`migrate new`: a file that dbmate and we read, without contacting anything."""

from __future__ import annotations

import re

import pytest

MANIFEST = """\
version: 1
components:
  store: {kind: postgres, url: "postgresql://nobody@127.0.0.1:1/none", migrations: {dir: db}}
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "startup.yaml").write_text(MANIFEST)
    return tmp_path


def test_a_file_is_written_and_its_path_printed(shop, startupctl):
    found = startupctl("migrate", "new", "Add users & plans")
    assert (found.code, found.err) == (0, "")
    path = shop / found.out.strip()
    assert re.fullmatch(r"\d{14}_add_users_plans\.sql", path.name)
    assert path.parent == shop / "db"
    assert path.read_text() == "-- migrate:up\n\n-- migrate:down\n"


def test_two_in_one_second_have_numbers_of_their_own(shop, startupctl):
    names = {startupctl("migrate", "new", "same").out.rpartition("/")[2] for _ in range(2)}
    assert len({name.partition("_")[0] for name in names}) == 2


def test_what_it_writes_can_be_filled_and_applied(on_sqlite):
    path = on_sqlite.folder / on_sqlite.migrate("new", "first").out.strip()
    path.write_text(path.read_text().replace("up\n", "up\nCREATE TABLE a (id int);\n"))
    assert on_sqlite.migrate("up").code == 0
    assert on_sqlite.tables() == {"a"}


def test_a_directory_can_be_named_without_a_manifest(tmp_path, startupctl):
    found = startupctl("migrate", "new", "first", "--dir", tmp_path / "elsewhere")
    assert (found.code, len(list((tmp_path / "elsewhere").iterdir()))) == (0, 1)


def test_a_variable_that_is_not_needed_here_may_be_missing_elsewhere(shop, startupctl):
    (shop / "startup.yaml").write_text(MANIFEST + "  cache: {kind: redis, url: '${REDIS_URL}'}\n")
    assert startupctl("migrate", "new", "first").code == 0


def test_a_variable_of_the_database_is_told_when_it_is_missing(shop, startupctl):
    (shop / "startup.yaml").write_text(re.sub(r'url: "[^"]+"', "url: '${STORE_URL}'", MANIFEST))
    found = startupctl("migrate", "new", "first")
    assert (found.code, "STORE_URL" in found.err) == (2, True)
    assert startupctl("migrate", "new", "first", env={"STORE_URL": "postgresql://nobody@127.0.0.1:1/none"}).code == 0


def test_a_directory_of_another_form_is_refused_and_left_alone(shop, startupctl):
    (shop / "db").mkdir()
    (shop / "db" / "00001_first.sql").write_text("-- +goose Up\nSELECT 1;\n")
    found = startupctl("migrate", "new", "second")
    assert found.code == 2
    assert "holds files of goose" in found.err
    assert len(list((shop / "db").iterdir())) == 1


def test_a_name_without_letters_is_refused(shop, startupctl):
    found = startupctl("migrate", "new", "!!!")
    assert (found.code, "no letter and no digit" in found.err) == (2, True)
    assert not (shop / "db").exists()


def test_a_component_and_a_directory_exclude_each_other(shop, startupctl):
    assert startupctl("migrate", "new", "first", "-c", "store", "--dir", "db").code == 2
