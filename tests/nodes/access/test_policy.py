"""Which hosts and addresses may be asked, by what a document says and who names the host."""

from __future__ import annotations

import pytest

from batchmill.errors import NodeError
from batchmill.nodes.access.hosts import is_one, may_be_host
from batchmill.nodes.access.policy import (
    OPEN,
    Access,
    require_within,
    require_written_within,
)

PUBLIC, PRIVATE, METADATA = "8.8.8.8", "10.0.0.1", "169.254.169.254"
FOREIGN = Access(foreign=True)


def allowed(access, host, *, first=None, behind="", port=443):
    bounds = access.bounds(host, port, first=first or host, behind=behind)
    return bounds.allowed([PUBLIC, PRIVATE, METADATA])


@pytest.mark.parametrize(
    ("access", "told", "expected"),
    [
        (OPEN, {}, [PUBLIC, PRIVATE]),  # the document names it
        (OPEN, {"first": "other"}, [PUBLIC]),  # a redirect does
        (OPEN, {"first": "other", "behind": PUBLIC}, [PUBLIC]),
        (OPEN, {"first": "other", "behind": PRIVATE}, [PUBLIC, PRIVATE]),
        (OPEN, {"first": "other", "behind": METADATA}, [PUBLIC]),
        (FOREIGN, {}, [PUBLIC]),
        (Access(private=True, foreign=True), {}, [PUBLIC, PRIVATE, METADATA]),
        (Access(private=False), {}, [PUBLIC]),
        (Access(("h",), foreign=True), {}, [PUBLIC, PRIVATE]),  # the document lists it
        (Access(("h:443",), foreign=True), {}, [PUBLIC, PRIVATE]),
        (Access(("h",), private=False), {}, [PUBLIC]),
        (Access(("*.example",), foreign=True), {"host": "h.example"}, [PUBLIC]),
        (Access(("10.0.0.0/8",), foreign=True), {}, [PRIVATE]),
        (Access(("10.0.0.0/8",)), {"host": PRIVATE}, [PRIVATE]),
        (Access(("10.0.0.0/8",), private=False), {}, []),
    ],
)
def test_addresses(access, told, expected):
    told = {"host": "h", **told}
    assert allowed(access, told.pop("host"), **told) == expected


def test_an_address_that_is_written_is_named():
    assert METADATA in allowed(OPEN, METADATA)
    assert METADATA not in allowed(OPEN, METADATA, first="other", behind=PRIVATE)
    assert METADATA not in allowed(FOREIGN, METADATA)


@pytest.mark.parametrize(
    ("host", "written"),
    [
        ("xn--bcher-kva.de", "bücher.de"),
        ("bücher.de", "xn--bcher-kva.de."),
        ("a.xn--bcher-kva.de", "*.BÜCHER.de:443"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("::1", "[0:0::1]:443"),
        ("API.Example.com.", "api.example.com:443"),
    ],
)
def test_a_host_may_be_written_in_several_forms(host, written):
    assert is_one(host, 443, written)
    assert not is_one(host, 443, "b" + written)


@pytest.mark.parametrize("hosts", [("other",), ("h:80",), ("*.h",), ()])
def test_hosts_that_are_not_listed(hosts):
    with pytest.raises(NodeError, match="not in `allow_hosts`") as caught:
        allowed(Access(hosts), "h")
    assert (caught.value.type_name, caught.value.retryable) == ("HostNotAllowed", False)


def test_refusals_say_why_and_what_to_do():
    bounds = FOREIGN.bounds("h", 80, first="h")
    with pytest.raises(NodeError, match=r"'h' was not asked: it is at 10\.0\.0\.1, .* set `allow_private`"):
        require_within(bounds, "h", [PRIVATE])
    assert require_within(bounds, "h", [PRIVATE, PUBLIC]) == [PUBLIC]
    assert require_within(bounds, "h", []) == []


def test_behind_a_proxy_only_written_addresses_are_known():
    require_written_within(FOREIGN.bounds("h", 80, first="h"), "h")
    with pytest.raises(NodeError, match=r"it is an address of this machine"):
        require_written_within(FOREIGN.bounds(PRIVATE, 80, first=PRIVATE), PRIVATE)
    with pytest.raises(NodeError, match="a proxy looks its address up"):
        require_written_within(Access(("10.0.0.0/8",)).bounds("h", 80, first="h"), "h")


@pytest.mark.parametrize("host", ["a.example", "*.example.com", "10.0.0.0/8", "fd00::/8", "[::1]:80", "${h}"])
def test_entries(host):
    assert may_be_host(host)


@pytest.mark.parametrize("host", ["", " ", 5, "http://a", "a/b", "10.0.0.1/8", "a.*.com"])
def test_what_is_no_entry(host):
    assert not may_be_host(host)
