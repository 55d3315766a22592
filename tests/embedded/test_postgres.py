"""The throwaway PostgreSQL: states, crashes, settings, installations that its account cannot reach."""

from __future__ import annotations

import os
import shutil
import signal

import psycopg
import pytest

from startupctl.embedded.postgres import PostgreSQL, initialised, reachable_install, wheel_install
from startupctl.embedded.process import ServerFailed


def test_its_state_is_told_without_a_connection(postgres_server):
    server = postgres_server()
    assert server.status() == "ready"
    server.stop(signal.SIGKILL)
    assert (server.data / "postmaster.pid").exists()
    server.start(wait=False)
    assert server.status() != "ready"  # the file of the killed server does not speak for the new one
    server.wait_ready()


def test_it_can_be_killed_and_started_again_with_its_data(postgres_server):
    server = postgres_server()
    server.sql("CREATE TABLE kept (a int)")
    server.stop(signal.SIGKILL)
    server.start()
    assert server.sql("SELECT count(*) FROM kept") == [(0,)]


def test_settings_are_keywords(postgres_server):
    assert postgres_server(max_connections=7).sql("SHOW max_connections") == [("7",)]


def test_a_url_takes_any_user_and_password(postgres, fresh_database):
    postgres.sql("CREATE ROLE \"o'dd@:/\" LOGIN PASSWORD 'p@ss:/w%'")
    try:
        with psycopg.connect(postgres.url(fresh_database, "o'dd@:/", "p@ss:/w%")) as connection:
            assert connection.info.user == "o'dd@:/"
    finally:
        postgres.sql('DROP ROLE "o\'dd@:/"')


def test_a_wrong_password_is_refused(postgres):
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres.url(password="wrong"))


def test_debians_build_speaks_tls(postgres_server, certs):
    server = postgres_server("15", tls="good")
    url = server.url(sslmode="verify-full", sslrootcert=str(certs / "ca.pem"), host="localhost")
    with psycopg.connect(url) as connection:
        assert connection.pgconn.ssl_in_use


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another account")
def test_an_installation_out_of_reach_runs_from_a_copy(tmp_path, new_folder):
    closed = tmp_path / "closed"
    package = wheel_install().parent
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), closed / name)
    closed.chmod(0o700)
    folder = new_folder("copy")
    install = reachable_install(closed / package.name / "pginstall", folder)
    assert install.is_relative_to(folder)
    with PostgreSQL(folder, install=install, password="x") as server:
        assert server.status() == "ready"


def test_a_failing_initdb_tells_its_log(server_folder, new_folder):
    folder = new_folder("broken")
    (folder / "data").mkdir()
    (folder / "data" / "something").touch()
    with pytest.raises(ServerFailed, match="initdb"):
        initialised(folder, install=reachable_install(wheel_install(), server_folder), password="x")
