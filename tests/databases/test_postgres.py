import pytest

from startupctl.databases.postgres import connected, failure_of
from startupctl.databases.session import StatementFailed
from startupctl.diagnosis import FailureClass


def parameters(postgres, **changes):
    return {"host": postgres.host, "port": str(postgres.port), "user": "postgres", "password": "s3cret", **changes}


def to_postgres(postgres, **changes):
    return connected(parameters(postgres, **changes), connect_timeout=5, application_name="startupctl:test:1")


@pytest.mark.anyio
async def test_values_are_text_as_the_server_writes_them(postgres):
    async with to_postgres(postgres) as session:
        assert await session.rows("SELECT true, 1, NULL, 'é', ARRAY[1,2]") == [("t", "1", None, "é", "{1,2}")]
        assert await session.rows("SELECT 1; SELECT 2; SET work_mem = '4MB'") == [("2",)]
        assert await session.rows("SELECT '%s', '100%'") == [("%s", "100%")]
        assert await session.rows("SET work_mem = '4MB'") == []


@pytest.mark.anyio
async def test_a_name_is_resolved_and_tried_address_by_address(postgres):
    async with to_postgres(postgres, host="localhost") as session:
        assert await session.rows("SELECT current_setting('application_name')") == [("startupctl:test:1",)]


@pytest.mark.anyio
async def test_a_failed_statement_keeps_code_position_and_what_succeeded_before(postgres):
    async with to_postgres(postgres) as session:
        with pytest.raises(StatementFailed) as caught:
            await session.execute("SELECT 1; SELECT 2; SELECT nope")
        error = caught.value
        assert (error.code, error.position, error.failure, error.lost) == ("42703", 28, FailureClass.PERMANENT, False)
        with pytest.raises(StatementFailed) as caught:
            await session.execute("SELECT 1; SELECT 1/0; SELECT 2")
        assert (caught.value.code, caught.value.done) == ("22012", 1)
        assert await session.rows("SELECT 1") == [("1",)]


@pytest.mark.anyio
async def test_a_terminated_connection_is_lost(postgres):
    async with to_postgres(postgres) as session:
        with pytest.raises(StatementFailed) as caught:
            await session.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert (caught.value.lost, caught.value.failure) == (True, FailureClass.TRANSIENT)
        with pytest.raises(StatementFailed) as caught:
            await session.execute("SELECT 1")
        assert caught.value.lost
        await session.roll_back()


@pytest.mark.anyio
async def test_a_refused_connection_is_lost_and_leaks_no_password(postgres):
    with pytest.raises(StatementFailed) as caught:
        async with to_postgres(postgres, password="not-the-s3cret"):
            pytest.fail("it was let in")
    assert caught.value.lost
    assert "not-the-s3cret" not in caught.value.said


@pytest.mark.anyio
async def test_a_name_that_does_not_resolve_is_told(postgres):
    with pytest.raises(StatementFailed) as caught:
        async with to_postgres(postgres, host="nowhere.invalid"):
            pytest.fail("it resolved")
    assert caught.value.said == "`nowhere.invalid` cannot be resolved"


@pytest.mark.parametrize(
    ("sqlstate", "failure"),
    [
        ("42601", FailureClass.PERMANENT),
        ("23505", FailureClass.PERMANENT),
        ("P0001", FailureClass.PERMANENT),
        ("40P01", FailureClass.TRANSIENT),
        ("57P01", FailureClass.TRANSIENT),
        ("55P03", FailureClass.CONTENTION),
        ("53100", FailureClass.PERMANENT),
        ("53200", FailureClass.TRANSIENT),
        ("", FailureClass.PERMANENT),
    ],
)
def test_the_sqlstate_says_whether_trying_again_may_help(sqlstate, failure):
    assert failure_of(sqlstate) is failure
