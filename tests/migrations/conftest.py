from concurrent.futures import ThreadPoolExecutor

import pytest

import places
from startupctl.addresses import Url
from startupctl.check import Mode
from startupctl.databases.postgres_keys import CreateKeys
from startupctl.kinds.postgres import Postgres
from startupctl.migrations.keys import MigrationKeys
from startupctl.migrations.postgres.preparation import PostgresPreparation
from startupctl.wire.pg_parameters import url_parameters
from startupctl.wire.pg_target import PgTarget
from support import make_run


def off_the_loop(function, *args, **keys):
    """Call what reads files, as a manifest is read before there is a loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args, **keys).result()


@pytest.fixture
def postgres_kind():
    """Make a component of kind postgres."""
    return lambda **keys: off_the_loop(Postgres, **keys)


@pytest.fixture
def write(tmp_path):
    """Write migration files into a folder of this test; `write(a=..., b=...)` or a mapping of names."""
    folder = tmp_path / "migrations"
    folder.mkdir()

    def put(files):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return put


@pytest.fixture
def preparing(services, tmp_path):
    """Return a run that may change something."""
    return make_run(seconds=20, mode=Mode.PREPARE, folder=tmp_path, services=services)


@pytest.fixture
def on_postgres(postgres):
    """Return what is wanted of a database of the shared server."""

    def wanted(name, *, create=None, server=postgres, user=None, password=None, **keys):
        url = Url.parse(server.url(name, user=user, password=password))
        place = off_the_loop(PgTarget.read, url_parameters(url))
        return PostgresPreparation(
            place=place,
            admin=(place.to_database("postgres"), place.to_database("template1")),
            direct=place,
            create=CreateKeys() if create else None,
            migrations=MigrationKeys(dir="migrations", **keys),
        )

    return wanted


@pytest.fixture
def place_of(request, tmp_path):
    """Return an empty database of a make, by its name."""

    def made(make):
        if make == "sqlite":
            return places.sqlite_place(tmp_path)
        if make == "clickhouse":
            server = request.getfixturevalue("clickhouse")
            place = places.clickhouse_place(server)
            request.addfinalizer(lambda: server.query(f"DROP DATABASE IF EXISTS {place.name}"))
            return place
        database = request.getfixturevalue("fresh_database")
        return places.postgres_place(request.getfixturevalue("postgres"), database, off_the_loop)

    return made


@pytest.fixture
def postgres_place(place_of):
    """Return an empty PostgreSQL database."""
    return place_of("postgres")
