import pytest
from hypothesis import given
from hypothesis import strategies as st

from migration_files import assert_keeps_lines, directory_of, refused
from startupctl.migrations.files import read_directory

LOCK = '# do not edit\n\nprovider = "{}"\n'


def test_the_whole_name_of_a_folder_is_the_version(write):
    files = {"2_b/migration.sql": "B", "1_a/migration.sql": "A", "1_c/migration.sql": "C", "1_c/down.sql": "-C"}
    found = read_directory(write({**files, "README.md": ""}), "auto")
    assert [(one.version, one.name, one.up.text, one.down) for one in found.migrations] == [
        ("1_a", "1_a", "A", None),
        ("1_c", "1_c", "C", None),
        ("2_b", "2_b", "B", None),
    ]
    assert found.migrations[0].path.name == "migration.sql"
    assert found.format.APPLIES_LATE


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"2_b/Migration.sql": ""}, "2_b: holds no `migration.sql`, remove the folder or restore the file"),
        ({"2_b.sql": ""}, "2_b.sql: stands in no folder of its own"),
        ({"2_b/migration.sql/x": ""}, "2_b/migration.sql: cannot be read: `"),
        ({"2_b/migration.sql": "A\n-- migrate:down"}, "2_b/migration.sql:2:1: `-- migrate:down` marks the file"),
    ],
)
def test_what_cannot_be_read_is_told_by_file_and_line(write, files, problem):
    assert problem in refused(write({"1_a/migration.sql": "A", "migration_lock.toml": LOCK, **files}))


@pytest.mark.parametrize(
    ("provider", "database"),
    [("postgresql", "postgresql"), ("cockroachdb", "postgresql"), ("sqlite", "sqlite"), ("mysql", "")],
)
def test_files_may_be_for_this_database(write, provider, database):
    folder = write({"1_a/migration.sql": "A", "migration_lock.toml": LOCK.format(provider)})
    assert read_directory(folder, "auto", None, database).names == ["1_a"]


@pytest.mark.parametrize(
    ("provider", "database"), [("mysql", "postgresql"), ("postgresql", "sqlite"), ("sqlite", "clickhouse")]
)
def test_files_for_another_database_are_told(write, provider, database):
    folder = write({"1_a/migration.sql": "A", "migration_lock.toml": LOCK.format(provider)})
    problem = f"migration_lock.toml:3:1: says that the files are for {provider}, not for {database}"
    assert problem in refused(folder, "auto", database=database)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_text_is_the_file(text):
    with directory_of({"1_a/migration.sql": text}) as folder:
        [found] = read_directory(folder, "auto").migrations
        assert_keeps_lines(found)
        assert found.up.text == text.removeprefix("\ufeff")
