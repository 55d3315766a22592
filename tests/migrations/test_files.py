import hashlib
import os

import pytest

from migration_files import GOOSE, UP, assert_keeps_lines, directory_of, form_of, refused
from startupctl.migrations.files import read_directory
from startupctl.migrations.folder import Folder
from startupctl.migrations.formats import find_format, format_name, format_names
from startupctl.migrations.postgres.lexer import POSTGRES

PRISMA = {"1_a/migration.sql": "SELECT 1;", "migration_lock.toml": 'provider = "postgresql"\n'}
FORMS = {
    "atlas": {"1_a.sql": "SELECT 1;", "atlas.sum": ""},
    "dbmate": {"1_a.sql": UP},
    "flyway": {"V1__a.sql": "SELECT 1;"},
    "golang-migrate": {"1_a.up.sql": "SELECT 1;"},
    "goose": {"1_a.sql": GOOSE},
    "plain": {"1_a.sql": "SELECT 1;"},
    "prisma": PRISMA,
}


def test_every_format_is_found_by_its_name():
    assert list(format_names()) == sorted(FORMS)
    assert [format_name(find_format(name)) for name in format_names()] == sorted(FORMS)


@pytest.mark.parametrize(
    ("form", "files"),
    [
        *((form, files) for form, files in FORMS.items() if form != "atlas"),
        ("prisma", {"1_a/migration.sql": "SELECT 1;"}),
        ("prisma", {"1_a.sql/migration.sql": "SELECT 1;", "1_a.sql/down.sql": ""}),
        ("flyway", {"R__a.sql": "SELECT 1;"}),
        ("flyway", {"users/V1__a.sql": "SELECT 1;", "plans/V2__b.sql": "SELECT 1;"}),
        ("golang-migrate", {"1_a.up.sql": "-- +goosebumps", "1_a.down.sql": ""}),
        ("plain", {"1_a.sql": "SELECT 1;", "old/V1__a.sql": ""}),
        ("dbmate", {"1_a.sql": UP, "old/1_a.sql": "", "2_b.sql": UP}),
    ],
)
def test_auto_decides_by_what_the_directory_holds(write, form, files):
    assert form_of(write(files)) == form


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"1_a.sql": UP, "2_b.sql": GOOSE},
            "holds files of dbmate (`1_a.sql`) and files of goose (`2_b.sql`), keep those of one tool, or set",
        ),
        (
            {"1_a.up.sql": "", "V1__a.sql": ""},
            "holds files of flyway (`V1__a.sql`) and files of golang-migrate (`1_a.up.sql`)",
        ),
        ({"1_a.sql": UP, "atlas.sum": ""}, "1_a.sql:1:1: `-- migrate:up` marks the file of another tool"),
        (
            {"1_a.up.sql": "", "atlas.sum": ""},
            "holds files of atlas (`atlas.sum`) and files of golang-migrate (`1_a.up.sql`)",
        ),
        ({**PRISMA, "1_a.up.sql": ""}, "holds files of golang-migrate (`1_a.up.sql`) and files of prisma"),
    ],
)
def test_the_marks_of_two_tools_in_one_directory_are_told(write, files, problem):
    assert problem in refused(write(files))


@pytest.mark.parametrize("form", [form for form in FORMS if form not in ("dbmate", "goose")])
@pytest.mark.parametrize("text", [UP, GOOSE, "SELECT 1;\n-- +migrate Down\nDROP TABLE a;"])
def test_a_file_of_another_tool_is_never_taken_for_plain_sql(write, form, text):
    name = next(name for name in FORMS[form] if name.endswith(".sql"))
    assert f"{name}:{text.count('SELECT', 0, 8) + 1}:1: `-- " in refused(write({**FORMS[form], name: text}), form)


@pytest.mark.parametrize("form", [form for form in FORMS if form != "flyway"])
def test_placeholders_are_flyways(write, form):
    found = refused(write(FORMS[form]), form, placeholders={"schema": "app"})
    assert f"is read as {form}, which has no placeholders, remove `migrations.placeholders`" in found


def test_what_is_no_sql_is_left_alone(write):
    others = ("README.md", ".hidden.sql", "atlas.hcl", "seed.json", "1_a.sql.orig", "notes.txt", "helpers.go")
    folder = write({"1_a.sql": "SELECT 1;"} | dict.fromkeys(others, "-- migrate:up"))
    assert read_directory(folder, "auto").names == ["1_a.sql"]


@pytest.mark.parametrize("form", [form for form in FORMS if form != "atlas"])
def test_windows_line_ends_and_a_byte_order_mark_are_no_part_of_the_text(write, form):
    folder = write(FORMS[form])
    for path in folder.rglob("*.sql"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    found = read_directory(folder, "auto")
    assert format_name(found.format) == form
    assert "\ufeff" not in found.migrations[0].up.text
    assert_keeps_lines(found.migrations[0])


@pytest.mark.parametrize("form", ["dbmate", "goose", "plain"])
def test_a_file_of_fifty_megabytes_is_read(form):
    row = "INSERT INTO a VALUES ('" + "x" * 970 + "');\n"
    text = FORMS[form]["1_a.sql"].replace("SELECT 1;", "SELECT 1;\n" + row * 53_000)
    with directory_of({"1_a.sql": text}) as folder:
        [found] = read_directory(folder, "auto").migrations
        assert found.up.text.count(row) == 53_000


def test_a_directory_without_migrations_is_told(write):
    assert refused(write({"README.md": ""})).endswith("holds no migration, correct `migrations.dir`")


def test_a_missing_directory_is_told(tmp_path):
    assert refused(tmp_path / "nowhere").endswith("cannot be read: No such file or directory, correct `migrations.dir`")


def test_a_file_in_place_of_the_directory_is_told(write):
    assert refused(write({"1_a.sql": ""}) / "1_a.sql").endswith(
        "cannot be read: Not a directory, correct `migrations.dir`"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(write):
    folder = write({"1_a.sql": "", "sub/V1__a.sql": ""})
    (folder / "1_a.sql").chmod(0)
    assert "1_a.sql: cannot be read: `" in refused(folder, "plain")
    (folder / "sub").chmod(0)
    assert "sub/: cannot be read: Permission denied" in refused(folder, "flyway")
    folder.chmod(0)
    assert "cannot be read: Permission denied" in refused(folder)
    folder.chmod(0o700)


def test_a_pipe_and_a_folder_are_refused_and_never_waited_for(write):
    folder = write({"1.sql": "SELECT 1;"})
    os.mkfifo(folder / "2.sql")
    (folder / "3.sql").mkdir()
    found = refused(folder)
    assert "2.sql: cannot be read: `2.sql` is not a regular file" in found
    assert "3.sql: cannot be read: `3.sql` is not a regular file" in found


def test_a_file_that_goes_away_before_it_is_read_is_told(write):
    folder = Folder(write({"1_a.sql": "SELECT 1;", "2_b.sql": "SELECT 2;"}))
    (folder.path / "1_a.sql").unlink()
    assert [one.name for one in find_format("plain").read(folder)] == ["2_b.sql"]
    assert "does not exist" in str(*folder.problems)


def test_links_in_a_circle_end(write):
    folder = write({"V1__a.sql": "SELECT 1;", "below/V2__b.sql": "SELECT 2;"})
    (folder / "below" / "up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "below")
    assert read_directory(folder, "auto").names == ["V1__a.sql", "V2__b.sql"]
    (folder / "V3__c.sql").symlink_to("V3__c.sql")
    assert "V3__c.sql: cannot be read" in refused(folder)


def test_a_link_to_nothing_is_told(write):
    folder = write({"1_a.sql": "SELECT 1;"})
    (folder / "2_b.sql").symlink_to("gone.sql")
    assert "2_b.sql: cannot be read: `2_b.sql` does not exist" in refused(folder).replace(f"`{folder}/", "`")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("SELECT 1;\nSELECT 'ä';".encode("latin-1"), "1_a.sql:2:1: is not UTF-8 text, save it as UTF-8"),
        ("SELECT 1;".encode("utf-16"), "1_a.sql: is UTF-16, save it as UTF-8"),
        ("SELECT 1;".encode("utf-16-be"), "1_a.sql:1:1: holds a NUL character, save it as UTF-8"),
        (b"SELECT 1;\nSELECT '\0';", "1_a.sql:2:1: holds a NUL character, save it as UTF-8"),
    ],
)
def test_another_encoding_is_told_with_its_line(data, problem):
    with directory_of({"1_a.sql": data}) as folder:
        assert refused(folder) == problem


def test_a_name_that_is_no_text_is_told(write):
    folder = write({"1_a.sql": "SELECT 1;"})
    (folder / os.fsdecode(b"2_\xff.sql")).write_text("SELECT 2;")
    assert refused(folder) == r"2_\udcff.sql: has a name that is not UTF-8 text, rename it"


def test_an_unreadable_file_does_not_hide_the_problems_of_others(write):
    folder = write({"1_a.sql": "SELECT '\0';", "2_b.sql": UP, "3_c.sql": "SELECT 1;"})
    assert "1_a.sql:1:1: holds a NUL" in refused(folder)
    assert "3_c.sql: has no `-- migrate:up`" in refused(folder)


def test_many_problems_are_counted(write):
    folder = write({f"{name}.sql": "" for name in "abcdef"} | {"1.sql": ""})
    assert refused(folder).endswith("; and 3 more")


def test_two_layouts_have_one_content_hash_and_two_file_hashes(write):
    folder = write({"1_a.sql": "SELECT 1;", "2_b.sql": "-- one\nSELECT\n  1 ;\n"})
    one, other = read_directory(folder, "auto").migrations
    assert one.content_hash(POSTGRES) == other.content_hash(POSTGRES)
    assert one.raw == hashlib.sha256(b"SELECT 1;").hexdigest() != other.raw
