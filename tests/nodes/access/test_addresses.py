"""Which addresses are public, and which are within bounds."""

from __future__ import annotations

import ipaddress

import pytest

from batchmill.nodes.access.addresses import Bounds, kind_of, network_of, written_ip


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("93.184.216.34", "public"),
        ("2606:2800:220:1::1", "public"),
        ("127.0.0.1", "private"),
        ("127.9.9.9", "private"),
        ("0.0.0.0", "private"),  # noqa: S104  # nothing is bound
        ("10.1.2.3", "private"),
        ("172.20.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("::1", "private"),
        ("::", "private"),
        ("fd00::1", "private"),
        ("169.254.169.254", "link-local"),
        ("100.100.100.200", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fd00:ec2::254", "link-local"),
        ("224.0.0.1", "link-local"),
        ("::ffff:127.0.0.1", "private"),
        ("::ffff:169.254.169.254", "link-local"),
        ("64:ff9b::a00:1", "private"),  # 10.0.0.1 behind NAT64
        ("64:ff9b::5db8:d822", "public"),
        ("2002:7f00:1::", "private"),  # 127.0.0.1 by 6to4
        ("::127.0.0.1", "private"),
        ("fec0::1", "private"),
        ("192.0.0.192", "link-local"),
    ],
)
def test_kinds(address, kind):
    assert kind_of(ipaddress.ip_address(address)) == kind


def test_bounds():
    addresses = ["127.0.0.1", "8.8.8.8", "169.254.169.254", "no address"]
    assert Bounds().allowed(addresses) == addresses[:3]
    assert Bounds("private").allowed(addresses) == addresses[:2]
    assert Bounds("public").allowed(addresses) == ["8.8.8.8"]
    assert Bounds("private", (network_of("127.0.0.0/8"),)).allowed(addresses) == ["127.0.0.1"]
    assert Bounds("public", (network_of("127.0.0.0/8"),)).allowed(addresses) == []


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "0177.0.0.1", "0x7f.1", "2130706433", "017700000001", "localhost", "LocalHost."],
)
def test_addresses_in_other_words(host):
    assert str(written_ip(host)) == "127.0.0.1"


@pytest.mark.parametrize("host", ["example.com", "1e100.net", "localhost.example", "4294967296", "a", ""])
def test_names_are_none(host):
    assert written_ip(host) is None
    assert str(written_ip("[::1]")) == "::1"
