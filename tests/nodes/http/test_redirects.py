"""Redirects: where they lead, what the next request is, and what it does not carry."""

from __future__ import annotations

import re

import pytest

import batchmill
from batchmill.errors import InvalidDocument, NodeError

HEADERS = {"Authorization": "Basic abc", "Cookie": "a=b", "X-Auth-Token": "t", "X-Kind": "k"}


def to(reply, location, status=302):
    return reply(status, b"moved", {"Location": location})


def test_they_are_followed_on_one_connection(run, server, reply):
    url = server.on("/a", to(reply, "/b?x=1"))
    server.on("/b", to(reply, "c/d"))
    server.on("/c/d", reply(200, b"there"))
    assert run("http", url=url, headers={"X-Kind": "k"}).outputs["response"] == "there"
    assert [one.target for one in server.received] == ["/a", "/b?x=1", "/c/d"]
    assert server.received[2].headers["x-kind"] == "k"
    assert server.connections == 1


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [
        (301, "POST", "GET", b""),
        (302, "POST", "GET", b""),
        (303, "POST", "GET", b""),
        (303, "PUT", "GET", b""),
        (303, "HEAD", "HEAD", b""),
        (302, "PUT", "PUT", b'{"n": 1}'),
        (307, "POST", "POST", b'{"n": 1}'),
        (308, "POST", "POST", b'{"n": 1}'),
    ],
)
def test_what_the_next_request_is(run, server, reply, status, method, then, body):
    def moved(request, connection):
        return to(reply, "/b", status) if method != "HEAD" else to(reply, "/b", status).partition(b"moved")[0]

    url = server.on("/a", moved)
    server.on("/b", lambda request, connection: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    run("http", url=url, method=method, body=None if method == "HEAD" else {"n": 1})
    second = server.received[1]
    assert (second.method, second.body) == (then, body)
    assert ("content-type" in second.headers) is bool(body)


def test_a_file_is_sent_again_from_its_beginning(run, server, reply, tmp_path):
    (tmp_path / "f").write_bytes(b"content")
    url = server.on("/a", to(reply, "/b", 307))
    server.on("/b", reply(200, b""))
    run("http", url=url, body_file=str(tmp_path / "f"))
    assert [one.body for one in server.received] == [b"content", b"content"]


def test_credentials_stay_with_the_first_server(run, server, other_server, reply):
    url = server.on("/a", to(reply, other_server.on("/b", reply(200, b"x"))))
    run("http", url=url, headers=HEADERS, api_key="canary", api_key_header="X-Whatever")
    assert server.received[0].headers["x-whatever"] == "canary"
    sent = other_server.received[0].headers
    assert sent["x-kind"] == "k"
    assert not {"authorization", "cookie", "x-auth-token", "x-whatever"} & sent.keys()
    assert "canary" not in str(sent)


def test_they_do_not_come_back(run, server, other_server, reply):
    url = server.on("/a", to(reply, other_server.url + "/b"))
    other_server.on("/b", to(reply, server.url + "/c"))
    server.on("/c", reply(200, b""))
    run("http", url=url, auth_token="canary")
    assert server.received[0].headers["authorization"] == "Bearer canary"
    assert "authorization" not in server.received[1].headers


def test_on_the_same_server_they_stay(run, server, reply):
    url = server.on("/a", to(reply, "/b"))
    server.on("/b", reply(200, b""))
    run("http", url=url, auth_token="t")
    assert server.received[1].headers["authorization"] == "Bearer t"


def test_credentials_in_the_url(run, server, other_server, reply):
    url = server.on("/a", to(reply, other_server.on("/b", reply(200, b"x"))))
    run("http", url=url.replace("//", "//us%40er:p%3Aw@"))
    assert server.received[0].headers["authorization"] == "Basic dXNAZXI6cDp3"
    assert "authorization" not in other_server.received[0].headers
    assert "user" not in server.received[0].headers["host"]


@pytest.mark.parametrize("most", [1, 5])
def test_a_loop_ends(run, server, reply, most):
    server.on("/b", to(reply, "/b"))
    url = server.on("/a", to(reply, "/b"))
    told = f"GET {url}: more than {most} redirects, the last one to {server.url}/b"
    with pytest.raises(NodeError, match=re.escape(told)) as caught:
        run("http", url=url, max_redirects=most)
    assert not caught.value.retryable
    assert len(server.received) == most + 1


def test_five_are_followed_by_default(run, server, reply):
    for number in range(5):
        server.on(f"/{number}", to(reply, f"/{number + 1}"))
    server.on("/5", reply(200, b"end"))
    assert run("http", url=server.url + "/0").outputs["response"] == "end"


def test_none_are_followed(run, server, reply):
    url = server.on("/a", to(reply, "/b"))
    with pytest.raises(NodeError) as caught:
        run("http", url=url, max_redirects=0)
    assert caught.value.outputs["status_code"] == 302
    assert caught.value.outputs["response"] == "moved"


@pytest.mark.parametrize("location", ["ftp://host/x", "file:///etc/passwd", "http://[x/"])
def test_places_that_cannot_be_gone_to(run, server, reply, location):
    url = server.on("/a", to(reply, location))
    with pytest.raises(NodeError, match="an address that cannot be used") as caught:
        run("http", url=url)
    assert not caught.value.retryable


def test_a_location_beyond_ascii(run, server, reply):
    url = server.on("/a", b"HTTP/1.1 302 x\r\nContent-Length: 0\r\nLocation: /\xc3\xa9 b\r\n\r\n")
    server.on("/%C3%A9%20b", reply(200, b"there"))
    assert run("http", url=url).outputs["response"] == "there"


def test_a_redirect_without_a_place_is_an_answer(run, server, reply):
    with pytest.raises(NodeError) as caught:
        run("http", url=server.on("/a", reply(302, b"where to?")))
    assert caught.value.outputs["response"] == "where to?"


def test_the_timeout_is_for_all_of_it(run, server, after, reply):
    url = server.on("/a", after(0.1, to(reply, "/a")))
    with pytest.raises(TimeoutError):
        run("http", url=url, timeout=0.25, max_redirects=100)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:{port}", "*.example.com, 127.0.0.1."])
def test_hosts_that_are_allowed(run, server, reply, host):
    hosts = host.format(port=server.port).split(", ")
    assert run("http", url=server.on("/x", reply(200, "x")), allow_hosts=hosts).outputs["response"] == "x"


@pytest.mark.parametrize("hosts", [[], ["127.0.0.2"], ["127.0.0.1:1"], ["0.0.1"], ["*.127.0.0.1"]])
def test_no_other_host_is_asked(run, server, reply, hosts):
    with pytest.raises(NodeError, match="not in `allow_hosts`") as caught:
        run("http", url=server.on("/x", reply(200, "x")), allow_hosts=hosts)
    assert (caught.value.type_name, caught.value.retryable) == ("HostNotAllowed", False)
    assert server.received == []


def test_no_other_host_is_asked_behind_a_redirect(run, server, other_server, reply):
    elsewhere = other_server.on("/x", reply(200, "secret"))
    url = server.on("/x", reply(302, b"", {"Location": elsewhere}))
    with pytest.raises(NodeError, match="not in `allow_hosts`"):
        run("http", url=url, allow_hosts=[f"127.0.0.1:{server.port}"])
    assert other_server.received == []
    assert run("http", url=url, allow_hosts=["127.0.0.1"]).outputs["response"] == "secret"


@pytest.mark.parametrize("host", ["", "https://example.com", "exa*mple.com", 3])
def test_hosts_that_are_none(host):
    node = {"id": "get", "type": "http", "params": {"url": "http://example.com", "allow_hosts": [host]}}
    with pytest.raises(InvalidDocument, match="a host is a name"):
        batchmill.run({"nodes": [node]})
