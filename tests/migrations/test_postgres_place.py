"""Where the ledger is on PostgreSQL: where the search path finds it again, or nowhere."""

from dataclasses import replace

import pytest

from startupctl.check import Mode
from startupctl.databases.session import StatementFailed


@pytest.fixture
def homeless(postgres, fresh_database, write):
    """A role whose search path names a schema that is not there."""
    role = f"{fresh_database}_role"
    postgres.sql(f"CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'pw'")
    postgres.sql(f"ALTER ROLE {role} SET search_path = elsewhere")
    write({"1_plans.sql": "CREATE TABLE public.plans (id int);"})
    yield {"user": role, "password": "pw"}
    postgres.sql(f"DROP OWNED BY {role} CASCADE", fresh_database)
    postgres.sql(f"DROP ROLE {role}")


@pytest.mark.anyio
@pytest.mark.parametrize("mode", [Mode.PREPARE, Mode.DRY_RUN])
async def test_without_a_schema_nothing_is_recorded_and_nothing_applied(
    postgres, on_postgres, preparing, fresh_database, homeless, mode
):
    wanted = on_postgres(fresh_database, **homeless)
    with pytest.raises(StatementFailed, match=r"no schema of the search_path .* `migrations.table`"):
        await wanted.carry_out(replace(preparing, mode=mode))
    assert postgres.sql("SELECT count(*) FROM pg_class WHERE relname IN ('plans', 'startupctl_migrations')") == [(0,)]


@pytest.mark.anyio
async def test_a_table_with_its_schema_is_recorded_in_whatever_the_search_path_says(
    postgres, on_postgres, preparing, fresh_database, homeless
):
    wanted = on_postgres(fresh_database, table="public.startupctl_migrations", **homeless)
    assert (await wanted.carry_out(preparing))["migrations"]["applied"] == ["1_plans.sql"]
    assert (await wanted.carry_out(preparing))["migrations"]["already"] == 1
