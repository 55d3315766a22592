"""Connection parameters of PostgreSQL: what people write, what it means, what is left to libpq."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from startupctl.addresses import Endpoint, Url
from startupctl.fields import Secret
from startupctl.wire.pg_parameters import url_parameters
from startupctl.wire.pg_target import PgTarget, SslMode, home_files

EMPTY: dict[str, str] = {}
REMOTE = "postgresql://app:pw@db.example/shop"


def target(url, environ=EMPTY):
    return PgTarget.read(url_parameters(Url.parse(url)), environ)


@pytest.mark.parametrize(
    ("url", "endpoint", "database", "user"),
    [
        ("postgresql://app:pw@db/shop", "db:5432", "shop", "app"),
        ("postgres://app:pw@db:5433/shop", "db:5433", "shop", "app"),
        ("postgresql+asyncpg://app:pw@db/shop", "db:5432", "shop", "app"),
        ("postgresql+psycopg2://app:pw@db/shop", "db:5432", "shop", "app"),
        ("postgresql://app:pw@db", "db:5432", "app", "app"),
        ("postgresql://app:pw@db/", "db:5432", "app", "app"),
        ("postgresql://app:pw@[::1]:5433/shop", "[::1]:5433", "shop", "app"),
        ("postgresql://app:p@ss/shop", "ss:5432", "shop", "app"),
        ("postgresql://app:p@ss@db/shop", "db:5432", "shop", "app"),
        ("postgresql://a%40b:pw@db/my%20shop%2Fx", "db:5432", "my shop/x", "a@b"),
        ("postgresql:///shop?host=/run/pg&user=app", "unix:/run/pg/.s.PGSQL.5432", "shop", "app"),
        ("postgresql://app@%2Frun%2Fpg:5433/shop", "unix:/run/pg/.s.PGSQL.5433", "shop", "app"),
        ("postgresql://app@db/shop?port=5433&dbname=other", "db:5433", "other", "app"),
        ("postgresql://app@db/shop?port=5433&port=5434", "db:5434", "shop", "app"),
        ("postgresql://app@:5433/shop?host=db", "db:5433", "shop", "app"),
    ],
)
def test_a_url_is_read_as_libpq_reads_it(url, endpoint, database, user):
    found = target(url)
    assert (str(found.endpoint), found.database, found.user) == (endpoint, database, user)
    assert found.unspoken == ()


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", "prefer"),
        ("sslmode=disable", "disable"),
        ("sslmode=verify-full", "verify-full"),
        ("sslmode=no-verify", "require"),
        ("ssl=true", "require"),
        ("ssl=1", "require"),
        ("ssl=false", "disable"),
        ("ssl=verify-full", "verify-full"),
        ("sslrootcert=system", "verify-full"),
        ("sslmode=", "prefer"),
    ],
)
def test_every_way_to_ask_for_tls(query, mode):
    assert target(f"{REMOTE}?{query}").sslmode.value == mode


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("schema=public&pgbouncer=true&connection_limit=1&pool_timeout=0", ""),
        ("schema=billing", '-c search_path="billing"'),
        ("schema=my%20%22shop%22", '-c search_path="my\\ ""shop"""'),
        ("search_path=a,b", "-c search_path=a,b"),
        ("options=-c%20work_mem%3D1MB&schema=billing", '-c work_mem=1MB -c search_path="billing"'),
        ("options=-c%20work_mem%3D1MB", "-c work_mem=1MB"),
        ("x-migrations-table=m&prepared_statement_cache_size=0&pool_max_conns=3", ""),
    ],
)
def test_what_frameworks_add_is_understood_or_left_out(query, options):
    found = target(f"{REMOTE}?{query}")
    assert (found.options, found.unspoken) == (options, ())


def test_the_schema_of_a_url_is_the_one_the_session_works_in(postgres):
    import psycopg

    with psycopg.connect(**target(f"{postgres.url()}?schema=my%20%22shop").parameters()) as connection:
        assert connection.execute("SHOW search_path").fetchone() == ('"my ""shop"',)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://app:pw@a,b/shop", "host"),
        ("postgresql://app:pw@a:1,b:2/shop", "host"),
        ("postgresql://app:pw@/shop?host=@abstract", "host"),
        (f"{REMOTE}?hostaddr=192.0.2.1", "hostaddr"),
        ("postgresql://?service=shop", "service"),
        (f"{REMOTE}?channel_binding=require", "channel_binding"),
        (f"{REMOTE}?gssencmode=require", "gssencmode"),
        (f"{REMOTE}?sslnegotiation=direct", "sslnegotiation"),
        (f"{REMOTE}?sslcert=/c.crt", "sslcert"),
        (f"{REMOTE}?sslpassword=x", "sslpassword"),
        (f"{REMOTE}?require_auth=scram-sha-256", "require_auth"),
        (f"{REMOTE}?passfile=/x", "passfile"),
        (f"{REMOTE}?sslmod=require", "sslmod"),
    ],
)
def test_what_only_libpq_understands_is_named(url, reason):
    assert target(url).unspoken == (reason,)


@pytest.mark.parametrize(
    "query",
    [
        "channel_binding=prefer",
        "channel_binding=disable",
        "gssencmode=disable",
        "keepalives=1",
        "tcp_user_timeout=5",
        "load_balance_hosts=disable",
        "connect_timeout=3",
        "fallback_application_name=x",
    ],
)
def test_what_changes_no_answer_is_spoken(query):
    assert target(f"{REMOTE}?{query}").unspoken == ()


def test_variables_fill_what_is_not_written():
    environ = EMPTY | {
        "PGHOST": "db",
        "PGPORT": "5433",
        "PGUSER": "app",
        "PGPASSWORD": "pw",
        "PGDATABASE": "shop",
        "PGSSLMODE": "require",
        "PGAPPNAME": "x",
        "PGOPTIONS": "-c a=b",
    }
    found = target("postgresql://", environ)
    assert (found.endpoint, found.user, found.database) == (Endpoint("db", 5433), "app", "shop")
    assert (found.password, found.sslmode, found.application_name) == (Secret("pw"), SslMode.REQUIRE, "x")
    assert found.options == "-c a=b"
    assert dict(found.given) == {}
    assert target("postgresql://me:own@here:1/mine?sslmode=disable", environ).label == "postgresql://me@here:1/mine"


@pytest.mark.parametrize(
    "environ", [{"PGSERVICE": "shop"}, {"PGHOSTADDR": "192.0.2.1"}, {"PGREQUIREAUTH": "none"}, {"PGTZ": "UTC"}]
)
def test_other_variables_of_libpq_are_left_to_it(environ):
    assert target(REMOTE, EMPTY | environ).unspoken == tuple(environ)


def test_a_password_file_is_left_to_libpq_when_there_is_no_password(tmp_path):
    (tmp_path / ".pgpass").touch()
    assert home_files(target("postgresql://app@db/shop"), tmp_path) == [tmp_path / ".pgpass"]
    assert home_files(target(REMOTE), tmp_path) == []
    assert target("postgresql://app@db/shop", EMPTY | {"PGPASSFILE": "/x"}).unspoken == ("passfile",)
    assert target(REMOTE, EMPTY | {"PGPASSFILE": "/x"}).unspoken == ()


def test_certificates_at_home_are_left_to_libpq(tmp_path):
    root = tmp_path / ".postgresql" / "root.crt"
    root.parent.mkdir()
    root.touch()
    assert home_files(target(REMOTE), tmp_path) == [root]
    assert home_files(target(f"{REMOTE}?sslmode=disable"), tmp_path) == []
    assert home_files(target("postgresql://app:pw@/shop?host=/run/pg"), tmp_path) == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": "0"}, "the port is not a number"),
        ({"port": "99999"}, "the port is not a number"),
        ({"sslmode": "sometimes"}, "sslmode is not one of"),
        ({"sslrootcert": "system", "sslmode": "require"}, "needs sslmode=verify-full"),
        ({"connect_timeout": "soon"}, "connect_timeout"),
        ({"target_session_attrs": "best"}, "target_session_attrs is not one of"),
        ({"password": "a\0b"}, "a NUL"),
    ],
)
def test_what_libpq_would_refuse_is_refused_by_name(given, words):
    with pytest.raises(ValueError, match=words):
        PgTarget.read({"host": "db", **given}, EMPTY)


@pytest.mark.parametrize(
    "url", ["postgresql://a:s3cretpw%zz@db", "mysql://a:s3cretpw@db", "postgresql://a:s3cretpw%00@db"]
)
def test_a_refusal_shows_no_value(url):
    with pytest.raises(ValueError, match=r"URL|scheme|NUL") as caught:
        target(url)
    assert "s3cretpw" not in str(caught.value)


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)
def test_whatever_is_percent_encoded_comes_back(user, password, database):
    url = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@db:5433/{quote(database, safe='')}"
    found = target(url)
    assert (found.user, found.password.reveal(), found.database) == (user, password, database)
    assert found.parameters() == {
        "fallback_application_name": "startupctl",
        "user": user,
        "password": password,
        "dbname": database,
        "host": "db",
        "port": "5433",
        "require_auth": "!password",
    }


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("postgresql://app:pw@db/shop?sslmode=require", "postgresql://app@db:5432/shop"),
        ("postgresql://app:pw@[::1]/shop", "postgresql://app@[::1]:5432/shop"),
        ("postgresql://app:pw@a:1,b:2/shop", "postgresql://app@a,b/shop"),
        ("postgresql://app:pw@/shop?host=/run/pg", "postgresql://app@/shop?host=/run/pg"),
        ("postgresql://app:pw@/shop?host=/run/pg&port=1", "postgresql://app@/shop?host=/run/pg&port=1"),
        ("postgresql://?service=shop&password=pw", "postgresql://?service=shop"),
    ],
)
def test_the_label_is_a_url_without_secrets(url, label):
    found = target(url)
    assert (found.label, str(found), repr(found)) == (label, label, label)


@pytest.mark.parametrize(
    ("url", "guarded"),
    [
        (REMOTE, True),
        (f"{REMOTE}?sslmode=require", False),
        ("postgresql://app:pw@127.0.0.1/shop", False),
        ("postgresql://app:pw@localhost/shop", False),
        ("postgresql://app:pw@/shop?host=/run/pg", False),
        ("postgresql://app:pw@localhost,db/shop", True),
        ("postgresql://app:pw@localhost/shop?hostaddr=192.0.2.1", True),
    ],
)
def test_the_driver_gives_no_password_in_clear_text_to_another_host(url, guarded):
    assert ("require_auth" in target(url).parameters()) is guarded


def test_a_server_met_with_tls_is_asked_for_tls_from_then_on():
    weak = target(REMOTE)
    assert weak.proven(encrypted=False) == weak
    assert weak.proven(encrypted=True).parameters()["sslmode"] == "require"
    assert "require_auth" not in weak.proven(encrypted=True).parameters()
    strict = target(f"{REMOTE}?sslmode=verify-full")
    assert strict.proven(encrypted=True) == strict


def test_another_database_of_the_same_server():
    other = target(REMOTE).to_database("postgres")
    assert (other.database, other.parameters()["dbname"], other.user) == ("postgres", "postgres", "app")


def test_certificate_files_are_relative_to_the_manifest():
    found = target(f"{REMOTE}?sslrootcert=ca.pem&sslcert=/etc/c.crt&sslkey=c.key").in_folder(Path("/srv/app"))
    assert (found.sslrootcert, found.sslcert, found.sslkey) == ("/srv/app/ca.pem", "/etc/c.crt", "/srv/app/c.key")
    assert found.parameters()["sslkey"] == "/srv/app/c.key"
    assert target(f"{REMOTE}?sslrootcert=system").in_folder(Path("/srv/app")).sslrootcert == "system"
