import pytest

from startupctl.check import Mode
from startupctl.kinds.clickhouse import ClickHouse
from startupctl.migrations.clickhouse.rights import require_create, require_ledger
from startupctl.wire.clickhouse import ClickHouseError
from support import make_run


class Server:
    """Answers of servers with other users than the engine here has; a number is that of an exception."""

    def __init__(self, settings, grant):
        self.answers = {"SELECT getSetting": settings, "CHECK GRANT": grant}

    async def rows(self, sql):
        [answer] = [answer for begin, answer in self.answers.items() if sql.startswith(begin)]
        if isinstance(answer, int):
            raise ClickHouseError(answer, "recorded")
        return answer


@pytest.mark.anyio
@pytest.mark.parametrize("asked", [require_create, require_ledger])
@pytest.mark.parametrize(
    ("settings", "grant", "code"),
    [
        ([["1", "true"]], [["1"]], 164),
        ([["2", "true"]], [["1"]], 164),
        ([["0", "false"]], [["1"]], 392),
        ([["0", "true"]], [["0"]], 497),
    ],
)
async def test_what_a_user_may_not_do_is_said_as_the_server_would(asked, settings, grant, code):
    with pytest.raises(ClickHouseError) as caught:
        await asked(Server(settings, grant), "app")
    assert caught.value.code == code


@pytest.mark.anyio
@pytest.mark.parametrize(("settings", "grant"), [([["0", "1"]], [["1"]]), ([["0", "true"]], 62), (115, 62)])
async def test_a_server_that_does_not_know_the_question_says_nothing(settings, grant):
    for asked in (require_create, require_ledger):
        await asked(Server(settings, grant), "app")


@pytest.mark.anyio
@pytest.mark.parametrize("setting", [{"readonly": "1"}, {"readonly": "2"}, {"allow_ddl": "0"}])
@pytest.mark.parametrize("database", ["default", "not_there"])
async def test_a_dry_run_tells_a_user_that_may_change_nothing(clickhouse, write, tmp_path, services, setting, database):
    write({"1_t.sql": "CREATE TABLE t (id UInt64) ENGINE = Log;"})
    kind = ClickHouse(url=clickhouse.url(database, **setting), create=True, migrations={"dir": "migrations"})
    with pytest.raises(ClickHouseError) as caught:
        await kind.prepare(make_run(seconds=20, mode=Mode.DRY_RUN, folder=tmp_path, services=services))
    found = kind.explain(caught.value)
    assert found.code.code == "CH006"
    assert next(iter(setting)) in found.summary
