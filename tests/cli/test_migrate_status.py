"""`migrate status` on real databases: every state, for people and for programs, and nothing changed."""

from __future__ import annotations

import pytest
from jsonschema import validate

from reports.schemas import COUNT, MAYBE_SECONDS, MAYBE_TEXT, TEXT, exactly

STATES = ["pending", "applied", "adopted", "running", "failed", "drifted", "renamed", "missing", "out_of_order"]
MIGRATIONS = exactly(
    schema={"const": "startupctl.migrations/1"},
    component=TEXT,
    target=TEXT,
    format=TEXT,
    format_from=TEXT,
    directory=TEXT,
    table=TEXT,
    adopted_from=MAYBE_TEXT,
    lock={"anyOf": [{"type": "null"}, exactly(holder=TEXT, since=MAYBE_TEXT)]},
    migrations={
        "type": "array",
        "items": exactly(
            version=TEXT,
            name=TEXT,
            state={"enum": STATES},
            applied_at=MAYBE_TEXT,
            duration=MAYBE_SECONDS,
            host=MAYBE_TEXT,
            statement_no={"anyOf": [{"type": "null"}, COUNT]},
            error=MAYBE_TEXT,
            statements={"anyOf": [{"type": "null"}, COUNT]},
            how=MAYBE_TEXT,
            note=TEXT,
        ),
    },
    counts=exactly(**dict.fromkeys(STATES, COUNT)),
    warnings={"type": "array", "items": exactly(code=TEXT, text=TEXT)},
)


def test_what_is_applied_and_what_is_pending_is_told(project):
    project.write(v1="a", v2="b")
    assert project.migrate("up").code == 0
    project.write(v3="c")
    before = project.dump()
    found = project.migrate("status", "-o", "json")
    assert found.code == 0, found.err
    document = found.json()
    validate(document, MIGRATIONS)
    assert project.dump() == before
    assert (document["component"], document["format"], document["table"]) == (
        "store",
        "dbmate",
        "startupctl_migrations",
    )
    first, _, last = document["migrations"]
    assert [one["state"] for one in document["migrations"]] == ["applied", "applied", "pending"]
    assert first["applied_at"].endswith("Z")
    assert (last["applied_at"], last["statements"], bool(last["how"])) == (None, 1, True)
    assert document["counts"] == dict.fromkeys(STATES, 0) | {"applied": 2, "pending": 1}


def test_a_person_reads_one_line_for_each(project):
    project.write(v1="a", v2="b")
    project.migrate("up", "--to", "1")
    found = project.migrate("status")
    lines = found.out.splitlines()
    assert lines[0].split() == ["STATE", "VERSION", "NAME", "APPLIED", "TIME", "NOTE"]
    assert (lines[1].split()[:3], lines[2].split()) == (["applied", "1", "1_it.sql"], ["pending", "2", "2_it.sql"])
    assert "1 pending, 1 applied" in found.out
    assert "format dbmate, decided by the files in" in found.out
    assert "recorded in table startupctl_migrations" in found.out


def test_a_database_without_a_ledger_has_everything_pending_and_gets_none(project):
    project.write(v1="a")
    before = project.dump()
    assert project.states() == {"1": "pending"}
    assert project.dump() == before


def test_the_code_of_a_question_is_0_and_with_exit_code_1_until_all_is_done(project):
    project.write(v1="a")
    assert [project.migrate("status").code, project.migrate("status", "--exit-code").code] == [0, 1]
    project.migrate("up")
    assert project.migrate("status", "--exit-code").code == 0


def test_what_does_not_fit_is_listed_and_not_refused(project):
    project.configure(out_of_order="error")
    project.write(v1="a", v3="c", v4="d", v5="e", v6="f", v7="g")
    assert project.migrate("up").code == 0
    (project.folder / "db" / "1_it.sql").write_text(project.both("changed"))
    (project.folder / "db" / "3_it.sql").rename(project.folder / "db" / "3_new_name.sql")
    (project.folder / "db" / "4_it.sql").unlink()
    project.set_row("5", state="failed", error="it broke")
    project.set_row("6", state="running", host="web-1:7")
    project.write(v2="b")
    found = project.migrate("status", "-o", "json")
    assert found.code == 0, found.err
    document = found.json()
    validate(document, MIGRATIONS)
    assert {one["version"]: one["state"] for one in document["migrations"]} == {
        "1": "drifted",
        "2": "out_of_order",
        "3": "renamed",
        "4": "missing",
        "5": "failed",
        "6": "running",
        "7": "applied",
    }
    notes = {one["version"]: one["note"] for one in document["migrations"]}
    assert notes["3"] == "applied as `3_it.sql`"
    assert "it broke" in notes["5"]
    assert "web-1:7" in notes["6"]
    assert "older than the applied `7_it.sql`" in notes["2"]
    assert project.migrate("status", "--exit-code").code == 1


def test_a_database_that_is_not_there_is_told_with_what_makes_it(startupctl, tmp_path, postgres):
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "1_it.sql").write_text("SELECT 1;\n")
    manifest = f"version: 1\ncomponents: {{store: {{kind: postgres, url: '{postgres.url('nowhere')}', create: true, migrations: {{dir: db}}}}}}\n"
    (tmp_path / "startup.yaml").write_text(manifest)
    found = startupctl("migrate", "status", "-o", "json")
    assert found.code == 1
    document = found.json()
    assert document["schema"] == "startupctl.report/1"
    assert document["components"]["store"]["diagnosis"]["code"] == "PG001"
    assert "init-db" in document["components"]["store"]["diagnosis"]["hint"]


def test_a_file_that_cannot_be_read_is_told_by_its_line(on_sqlite):
    on_sqlite.write(v1="-- migrate:up\nSELECT 1;\n")
    found = on_sqlite.migrate("status")
    assert found.code == 78
    assert "MIG008" in found.out


def test_a_server_that_comes_up_late_is_waited_for(startupctl, tmp_path, postgres_server):
    server = postgres_server(start=False)
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "1_it.sql").write_text("SELECT 1;\n")
    manifest = (
        f"version: 1\ncomponents: {{store: {{kind: postgres, url: '{server.url()}', migrations: {{dir: db}}}}}}\n"
    )
    (tmp_path / "startup.yaml").write_text(manifest)
    waiting = startupctl.start("migrate", "status", "-o", "json")
    server.start()
    found = waiting.finish()
    assert found.code == 0, found.err
    assert found.json()["counts"]["pending"] == 1


def test_names_from_outside_are_escaped(on_sqlite):
    (on_sqlite.folder / "db" / "1_\x1b[31m.sql").write_text(on_sqlite.both("a"))
    found = on_sqlite.migrate("status")
    assert "\x1b" not in found.out
    assert "1_\\x1b[31m.sql" in found.out


def test_no_secret_is_shown(on_postgres):
    on_postgres.write(v1="a")
    on_postgres.migrate("up")
    on_postgres.set_row("1", state="failed", error="password s3cret was refused")
    for form in ("plain", "json", "table"):
        found = on_postgres.migrate("status", "-o", form)
        assert "s3cret" not in found.out + found.err


TWO = """\
version: 1
components:
  one: {kind: sqlite, path: one.db, create: true, migrations: {dir: db}}
  two: {kind: sqlite, path: two.db, create: true, migrations: {dir: db}}
  off: {kind: sqlite, path: off.db, enabled: false, migrations: {dir: db}}
  path: {kind: env, required: [PATH]}
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--component: several components have migrations, name one of: one, two"),
        (["-c", "path"], "--component: component `path` has no `migrations`, there are migrations in: one, two"),
        (["-c", "tow"], "--component: no enabled component is called `tow`, did you mean two?"),
        (["-c", "off"], "--component: no enabled component is called `off`"),
    ],
)
def test_a_component_that_is_not_clear_is_a_mistake_that_names_the_candidates(startupctl, tmp_path, words, said):
    (tmp_path / "startup.yaml").write_text(TWO)
    found = startupctl("migrate", "status", *words)
    assert found.code == 2
    assert said in found.err
    assert startupctl("migrate", "status", *words, "-o", "json").json()["schema"] == "startupctl.problems/1"


def test_without_any_migrations_it_is_a_mistake(startupctl, tmp_path):
    (tmp_path / "startup.yaml").write_text("version: 1\ncomponents: {path: {kind: env, required: [PATH]}}\n")
    found = startupctl("migrate", "status")
    assert (found.code, "no component has `migrations`" in found.err) == (2, True)


def test_migrations_of_a_tool_have_no_files_to_list(on_sqlite):
    manifest = on_sqlite.folder / "startup.yaml"
    text = manifest.read_text().replace("dir: db", "tool: {check: [alembic, current], up: [alembic, upgrade]}")
    manifest.write_text(text)
    found = on_sqlite.migrate("status")
    assert found.code == 2
    assert "`startupctl migrate status` works on files" in found.err


def test_the_group_without_a_command_shows_its_help(startupctl):
    found = startupctl("migrate")
    assert (found.code, found.out) == (2, "")
    assert "status" in found.err
    assert startupctl("migrate", "--help").code == 0
