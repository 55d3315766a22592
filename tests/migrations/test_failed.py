from startupctl.migrations.failed import first_line


def test_a_statement_is_shown_by_its_first_line():
    assert first_line("CREATE TABLE a (\n  id int\n)") == "CREATE TABLE a ("
    assert first_line("CREATE ROLE a PASSWORD 'hunter\n2'") == "CREATE ROLE a PASSWORD ***"
    assert len(first_line("SELECT " + "x" * 500)) == 120
