import pytest

from startupctl.addresses import Endpoint
from startupctl.wire.no_proxy import is_exempt


@pytest.mark.parametrize(
    ("entries", "host", "exempt"),
    [
        ("*", "any.example", True),
        ("shop.example", "shop.example", True),
        ("shop.example", "SHOP.example.", True),
        ("shop.example", "api.shop.example", True),
        (".shop.example", "api.shop.example", True),
        ("*.shop.example", "api.shop.example", True),
        ("shop.example", "workshop.example", False),
        ("a.example, shop.example", "shop.example", True),
        ("a.example shop.example", "shop.example", True),
        ("shop.example:443", "shop.example", True),
        ("shop.example:80", "shop.example", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.example", False),
        ("fd00::/8", "fd12::1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("[::1]", "::1", True),
        ("[::1]:443", "::1", True),
        ("[::1]:80", "::1", False),
        ("10.0.0.0/99,shop.example/x", "10.1.2.3", False),
        (",.,:,", "shop.example", False),
        ("", "shop.example", False),
    ],
)
def test_no_proxy_takes_hosts_suffixes_ports_and_networks(entries, host, exempt):
    assert is_exempt(Endpoint(host, 443), entries) is exempt
