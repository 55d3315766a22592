import pytest

from startupctl.migrations.failed import first_line, masked


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("CREATE ROLE a PASSWORD 'hunter2'", "CREATE ROLE a PASSWORD '***'"),
        ("alter user a with encrypted password 'it''s'", "alter user a with encrypted password '***'"),
        ("CREATE USER a IDENTIFIED BY 'p\\'w'", "CREATE USER a IDENTIFIED BY '***'"),
        (
            "CREATE USER a IDENTIFIED WITH sha256_password BY 'pw'",
            "CREATE USER a IDENTIFIED WITH sha256_password BY '***'",
        ),
        ("PASSWORD = 'x'", "PASSWORD = '***'"),
        ("PASSWORD $$x$$, 'y'", "PASSWORD '***', 'y'"),
        ("PASSWORD 'never closed", "PASSWORD '***'"),
        ("SELECT 'password'", "SELECT 'password'"),
    ],
)
def test_literals_that_are_passwords_are_masked(sql, shown):
    assert masked(sql) == shown


def test_a_statement_is_shown_by_its_first_line():
    assert first_line("CREATE TABLE a (\n  id int\n)") == "CREATE TABLE a ("
    assert len(first_line("SELECT " + "x" * 500)) == 120
