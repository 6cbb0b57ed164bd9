"""What a request is made of: query, headers, credentials, bodies."""

from __future__ import annotations

import pytest

from batchmill.errors import NodeError
from batchmill.nodes.http.address import address_of


def test_query(sent, run, server, reply):
    one = sent(params={"a b": "c&d", "n": [1, 2], "none": None, "t": True, "e": ""})
    assert one.target == "/x?a%20b=c%26d&n=1&n=2&t=True&e="
    run("http", url=server.on("/q", reply(200, b"")) + "?own=1#part", params={"x": "é"})
    assert server.received[-1].target == "/q?own=1&x=%C3%A9"


def test_headers(sent):
    one = sent(headers={"X-A": 1, "X-None": None, "User-Agent": "mine", "X-É": None, "X-B": "é"})
    assert one.headers["x-a"] == "1"
    assert one.headers["user-agent"] == "mine"
    assert one.headers["x-b"] == "é"
    assert "x-none" not in one.headers


def test_credentials(sent, monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "from the environment")
    assert sent(auth_token="t").headers["authorization"] == "Bearer t"
    assert sent(api_key="k").headers["x-api-key"] == "k"
    assert sent(api_key="k", api_key_header="X-Mine").headers["x-mine"] == "k"
    assert sent(auth_token_env="SOME_TOKEN").headers["authorization"] == "Bearer from the environment"
    assert sent(api_key_env="SOME_TOKEN").headers["x-api-key"] == "from the environment"


@pytest.mark.parametrize(
    ("params", "body", "kind"),
    [
        ({"body": {"n": 1, "e": "é"}}, '{"n": 1, "e": "é"}'.encode(), "application/json"),
        ({"body": [1]}, b"[1]", "application/json"),
        ({"body": 5}, b"5", "application/json"),
        ({"body": "text é"}, "text é".encode(), "text/plain; charset=utf-8"),
        ({"body": b"\xff"}, b"\xff", "application/octet-stream"),
        ({"body": "/wA=", "body_is_binary": True}, b"\xff\0", "application/octet-stream"),
        ({"form": {"a": "b c", "d": [1, 2]}}, b"a=b%20c&d=1&d=2", "application/x-www-form-urlencoded"),
        (
            {"body": {"a": 1}, "headers": {"content-type": "application/x-www-form-urlencoded"}},
            b"a=1",
            "application/x-www-form-urlencoded",
        ),
        ({"body": "<a/>", "headers": {"Content-Type": "text/xml"}}, b"<a/>", "text/xml"),
        ({"body": ""}, b"", "text/plain; charset=utf-8"),
    ],
)  # fmt: skip
def test_bodies(sent, params, body, kind):
    one = sent(**params)
    assert (one.method, one.body, one.headers["content-type"]) == ("POST", body, kind)
    assert one.headers["content-length"] == str(len(body))


def test_a_file(sent, tmp_path):
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    one = sent(body_file=str(tmp_path / "f"), method="PUT")
    assert (one.method, len(one.body), one.headers["content-length"]) == ("PUT", 100_000, "100000")


def test_a_file_that_is_not_there(run, server, tmp_path):
    with pytest.raises(NodeError, match="no such file"):
        run("http", url=server.url, body_file=str(tmp_path / "missing"))
    assert server.received == []


def test_methods(sent):
    assert sent().method == "GET"
    assert sent(method="delete").method == "DELETE"
    assert "content-length" not in sent().headers


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("HTTP://Host/a b?q=é", "http://host/a%20b?q=%C3%A9"),
        ("http://u:p@host:80/", "http://host/"),
        ("https://host:80", "https://host:80/"),
        ("http://[::1]:5/x", "http://[::1]:5/x"),
        ("http://bücher.example/ü", "http://xn--bcher-kva.example/%C3%BC"),
        (" http://host/ ", "http://host/"),
    ],
)
def test_addresses(url, shown):
    assert str(address_of(url)) == shown
