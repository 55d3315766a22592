import pytest

PLAIN = {
    "1_plans.sql": "CREATE TABLE plans (id int);",
    "2_rows.sql": "INSERT INTO plans VALUES (1);\nINSERT INTO plans VALUES (2);\n",
}


@pytest.mark.anyio
async def test_a_missing_database_is_created_and_migrated(postgres, on_postgres, preparing, write):
    write(PLAIN)
    facts = await on_postgres("made_here", create=True).carry_out(preparing)
    assert facts["created"] is True
    assert facts["migrations"] == {"applied": ["1_plans.sql", "2_rows.sql"], "already": 0, "pending": 0, "adopted": 0}
    assert (facts["schema_version"], facts["format"], facts["lock"]) == ("2", "plain", "postgres advisory")
    assert postgres.sql("SELECT count(*) FROM plans", "made_here") == [(2,)]
    again = await on_postgres("made_here", create=True).carry_out(preparing)
    assert again["created"] is False
    assert again["migrations"] == {"applied": [], "already": 2, "pending": 0, "adopted": 0}
    assert again["lock"] == "not needed"
