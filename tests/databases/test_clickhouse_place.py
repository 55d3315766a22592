import pytest

from startupctl.addresses import Url
from startupctl.databases.clickhouse_place import EmbeddedEngine, place_in


def place(text):
    return place_in(Url.parse(text))


@pytest.mark.parametrize(
    ("url", "where", "secure"),
    [
        ("clickhouse://h", "h:8123", False),
        ("clickhouse://", "localhost:8123", False),
        ("clickhouse://h:9000/db", "h:9000", False),
        ("clickhouse://h:8443", "h:8443", True),
        ("clickhouse://h:443", "h:443", True),
        ("clickhouse://h:8443?secure=false", "h:8443", False),
        ("clickhouse://h?secure=true", "h:8443", True),
        ("clickhouse://h:1234?secure=1", "h:1234", True),
        ("clickhouses://h", "h:8443", True),
        ("http://h", "h:8123", False),
        ("http://h:8443", "h:8443", False),
        ("https://h", "h:8443", True),
        ("clickhouse+http://h", "h:8123", False),
        ("clickhouse+http://h?protocol=https", "h:8443", True),
        ("clickhouse+https://h", "h:8443", True),
        ("clickhousedb://h", "h:8123", False),
        ("clickhousedb+connect://h:8443", "h:8443", True),
        ("clickhouse://[::1]/db", "[::1]:8123", False),
    ],
)
def test_scheme_port_and_secure_decide_address_and_tls(url, where, secure):
    server = place(url)

    assert (server.where, server.secure) == (where, secure)


@pytest.mark.parametrize(
    ("url", "user", "password", "database"),
    [
        ("clickhouse://app:p%40w@h/shop", "app", "p@w", "shop"),
        ("clickhouse://h/?user=app&password=pw&database=shop", "app", "pw", "shop"),
        ("clickhouse://h?username=app", "app", "", ""),
        ("clickhouse://app:pw@h/shop?user=x&password=y&database=z", "app", "pw", "shop"),
        ("clickhouse://h/shop/more", "", "", "shop"),
    ],
)
def test_userinfo_and_path_win_over_parameters(url, user, password, database):
    server = place(url)

    assert (server.user, server.password.reveal(), server.database) == (user, password, database)


def test_parameters_are_settings_or_options_of_the_client():
    server = place(
        "clickhouse://h/d?max_threads=2&ch_async_insert=1&verify=false&ca_cert=ca.pem&compress=lz4&proxy_path=ch/"
    )

    assert server.settings == {"max_threads": "2", "async_insert": "1"}
    assert server.options == {"verify": "false", "ca_cert": "ca.pem", "compress": "lz4", "proxy_path": "ch/"}
    assert server.path == "/ch"


@pytest.mark.parametrize(
    ("url", "engine", "where"),
    [
        ("chdb://", EmbeddedEngine(""), "chdb:memory"),
        ("chdb://memory", EmbeddedEngine(""), "chdb:memory"),
        ("chdb://memory/shop", EmbeddedEngine("", "shop"), "chdb:memory"),
        ("chdb:///var/lib/events", EmbeddedEngine("/var/lib/events"), "chdb:/var/lib/events"),
        (
            "chdb:///var/lib/events?database=shop&max_threads=2",
            EmbeddedEngine("/var/lib/events", "shop", {"max_threads": "2"}),
            "chdb:/var/lib/events",
        ),
    ],
)
def test_chdb_is_a_folder_or_memory(url, engine, where):
    assert place(url) == engine
    assert place(url).where == where


@pytest.mark.parametrize(
    "url",
    [
        "clickhouse+native://h",
        "tcp://h",
        "postgresql://h",
        "clickhouse://a:1,b:2/db",
        "chdb://folder/db",
        "clickhouse://h?access_token=a%0Ab",
    ],
)
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match=r"scheme must be|one host only|three slashes|access_token"):
        place(url)
