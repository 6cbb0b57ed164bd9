"""The http node against servers on loopback."""

from __future__ import annotations

import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped


def test_an_answer_becomes_outputs(run, server, reply):
    url = server.on("/one", reply(200, {"n": 7}, {"X-Kind": "a"}))
    outputs = run("http", url=url).outputs
    assert outputs["response"] == {"n": 7}
    assert outputs["status_code"] == 200
    assert outputs["response_headers"]["X-Kind"] == "a"
    assert 0 < outputs["response_time"] < 30
    assert outputs["error"] == ""
    assert outputs["response_is_binary"] is False
    assert server.received[0].method == "GET"


def test_text_is_text_and_bytes_are_base64(run, server, reply):
    text = server.on(
        "/text", reply(200, "é".encode("latin-1"), {"Content-Type": "text/plain; charset=latin-1"})
    )
    raw = server.on("/raw", reply(200, b"\xff\x00", {"Content-Type": "application/octet-stream"}))
    assert run("http", url=text).outputs["response"] == "é"
    for encoding in ("binary", "auto"):
        outputs = run("http", url=raw, encoding=encoding).outputs
        assert (outputs["response"], outputs["response_is_binary"]) == ("/wA=", True)
    with pytest.raises(NodeError, match=r"the answer is no utf-8 text: byte 0xff at offset 0") as caught:
        run("http", url=raw)
    assert (caught.value.retryable, caught.value.outputs["status_code"]) == (False, 200)


@pytest.mark.parametrize("kind", ["image/png", "application/pdf", "audio/ogg; x=1"])
def test_what_is_sent_as_a_picture_or_the_like_is_base64(run, server, reply, kind):
    url = server.on("/picture", reply(200, b"abc", {"Content-Type": kind}))
    outputs = run("http", url=url).outputs
    assert (outputs["response"], outputs["response_is_binary"]) == ("YWJj", True)
    assert run("http", url=url, encoding="latin-1").outputs["response"] == "abc"


def test_an_encoding_that_is_asked_for_comes_first(run, server, reply):
    url = server.on("/n", reply(200, '{"a": "é"}'.encode("latin-1"), {"Content-Type": "application/json"}))
    assert run("http", url=url, encoding="latin-1").outputs["response"] == {"a": "é"}
    wide = server.on("/w", reply(200, '{"a": 1}'.encode("utf-16"), {"Content-Type": "application/json"}))
    assert run("http", url=wide).outputs["response"] == {"a": 1}
    odd = server.on("/odd", reply(200, b"abc", {"Content-Type": "text/plain; charset=nine"}))
    assert run("http", url=odd).outputs["response"] == "abc"


def test_an_error_that_is_no_text_is_still_an_error(run, server, reply):
    url = server.on("/no", reply(500, b"\xff!", {"Content-Type": "text/plain"}))
    with pytest.raises(NodeError) as caught:
        run("http", url=url)
    assert caught.value.outputs["response"] == r"\xff!"
    assert caught.value.type_name == "HTTP500"


@pytest.mark.parametrize("body", [b'{"a": NaN}', b'{"a": 1, "a": 2}', b'{"a": 1e400}'])
def test_json_that_the_reader_refuses_stays_text(run, server, reply, body):
    url = server.on("/odd-json", reply(200, body, {"Content-Type": "application/json"}))
    assert run("http", url=url).outputs["response"] == body.decode()


def test_json_that_is_none_stays_text(run, server, reply):
    url = server.on("/bad", reply(200, b"{no", {"Content-Type": "application/problem+json"}))
    assert run("http", url=url).outputs["response"] == "{no"


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body(run, server, reply, status):
    url = server.on("/empty", reply(status))
    if status == 204:
        assert run("http", url=url).outputs["response"] == ""
        return
    with pytest.raises(NodeError) as caught:
        run("http", url=url)
    assert caught.value.outputs["status_code"] == 304


def test_a_head_request_has_no_body(run, server):
    url = server.on("/head", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
    assert run("http", url=url, method="head").outputs["response"] == ""


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(status, False) for status in (400, 401, 404, 422)]
    + [(status, True) for status in (408, 425, 429, 500, 502, 503, 504, 599)],
)
def test_other_statuses_are_error_results_with_the_body(run, server, reply, status, retryable):
    url = server.on("/no", reply(status, {"why": "because"}))
    with pytest.raises(NodeError) as caught:
        run("http", url=url + "?key=secret")
    error = caught.value
    assert error.retryable is retryable
    assert error.outputs["response"] == {"why": "because"}
    assert error.outputs["status_code"] == status
    assert "because" in str(error)
    assert "secret" not in str(error)
    assert error.outputs["error"] == str(error)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("-5", 0.0), ("1e9", 3600.0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_handed_on(run, server, reply, value, seconds):
    url = server.on("/busy", reply(429, b"", {"Retry-After": value}))
    with pytest.raises(NodeError) as caught:
        run("http", url=url)
    assert caught.value.retry_after == seconds


def test_connections_are_kept(run, server, reply):
    url = server.on("/k", reply(200, b"x"))
    for _ in range(3):
        run("http", url=url)
    with pytest.raises(NodeError):
        run("http", url=server.url + "/missing")
    run("http", url=url)
    assert server.connections == 1


def test_no_more_connections_than_threads(run, server, reply, after):
    url = server.on("/k", after(0.02, reply(200, b"x")))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: run("http", url=url), range(64)))
    assert server.connections <= 8


def test_a_kept_connection_that_the_server_closed_is_replaced(run, server, reply):
    def close_after(request, connection):
        connection.sendall(reply(200, b"x"))

    url = server.on("/k", close_after)
    for _ in range(4):
        assert run("http", url=url).outputs["response"] == "x"


def test_a_kept_connection_that_dies_under_a_request(run, server, reply):
    url = server.on("/k", reply(200, b"x"), lambda request, connection: None, reply(200, b"y"))
    run("http", url=url)
    assert run("http", url=url).outputs["response"] == "y"
    server.on("/k", lambda request, connection: None)
    run("http", url=server.on("/l", reply(200, b"")))
    with pytest.raises(NodeError) as caught:  # it may have been carried out: not sent a second time
        run("http", url=server.url + "/k", method="POST", body="x")
    assert caught.value.retryable
    assert [one.method for one in server.received].count("POST") == 1


def test_nobody_listens(run):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(NodeError, match="refused") as caught:
        run("http", url=f"http://127.0.0.1:{port}/")
    assert caught.value.retryable


def test_a_name_that_does_not_resolve(run):
    with pytest.raises(NodeError, match="cannot be resolved") as caught:
        run("http", url="http://nowhere.invalid/")
    assert caught.value.retryable


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nshort\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nshort\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: " + b"a" * 100_000 + b"\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n" + b"X: a\r\n" * 500 + b"\r\nshort",
    ],
    ids=["nothing", "short", "short-chunk", "no-chunk", "negative", "garbage", "huge-header", "many-headers"],
)
def test_broken_answers_are_retryable(run, server, data):
    def send(request, connection):
        connection.sendall(data)

    url = server.on("/broken", send)
    with pytest.raises(NodeError) as caught:
        run("http", url=url, timeout=5)
    assert caught.value.retryable
    assert "127.0.0.1" in str(caught.value)


def test_more_than_was_announced_does_not_reach_the_next_request(run, server, reply):
    url = server.on(
        "/long", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n", reply(200, b"z")
    )
    assert run("http", url=url).outputs["response"] == "ab"
    assert run("http", url=url).outputs["response"] == "z"


def test_a_reset_within_the_body(run, server):
    def reset(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        time.sleep(0.05)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with pytest.raises(NodeError) as caught:
        run("http", url=server.on("/reset", reset))
    assert caught.value.retryable


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n"


@pytest.mark.parametrize("data", [HEAD * 40, HEAD + b"x" * 2000, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300])
def test_an_answer_that_trickles_does_not_outlive_the_timeout(run, server, trickle, data):
    url = server.on("/slow", trickle(data))
    began = time.monotonic()
    with pytest.raises(AttemptTimeout, match=r"not answered in full within 0\.3 s"):
        run("http", url=url, timeout=0.3)
    assert time.monotonic() - began < 20  # all of it takes half a minute


def test_the_deadline_of_the_attempt_counts_too(run, server, trickle):
    url = server.on("/slow", trickle(HEAD + b"x" * 2000))
    with pytest.raises(AttemptTimeout):
        run("http", url=url, attempt=Attempt(deadline=time.monotonic() + 0.2))
    with pytest.raises(AttemptTimeout):
        run("http", url=url, attempt=Attempt(deadline=time.monotonic() - 1))


def test_a_server_that_reads_nothing(run, server):
    def sit(request, connection):
        server.closing.wait(20)

    url = server.on("/deaf", sit)
    with pytest.raises(AttemptTimeout):
        run("http", url=url, timeout=0.2)


def test_a_cancelled_run_lets_go_of_its_request(run, server):
    token = CancelToken()

    def sit(request, connection):
        threading.Timer(0.05, token.cancel).start()
        server.closing.wait(20)

    url = server.on("/deaf", sit)
    with pytest.raises(Stopped, match="cancelled") as caught:
        run("http", url=url, attempt=Attempt(cancel=token))
    assert not caught.value.retryable


def test_large_answers_are_refused(run, server, reply):
    url = server.on("/large", reply(200, b"x" * 10_001))
    with pytest.raises(NodeError, match="max_response_bytes") as caught:
        run("http", url=url, max_response_bytes=10_000)
    assert not caught.value.retryable
    assert len(run("http", url=url, max_response_bytes=10_001).outputs["response"]) == 10_001


def test_large_answers_without_a_length_are_refused(run, server):
    def endless(request, connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with pytest.raises(NodeError, match="max_response_bytes"):
        run("http", url=server.on("/endless", endless), max_response_bytes=1_000_000)


def test_many_threads_share_the_connections(run, server, reply, after):
    urls = [server.on(f"/{n}", after(0.001, reply(200, {"n": n}))) for n in range(40)]
    with ThreadPoolExecutor(16) as pool:
        done = list(pool.map(lambda url: run("http", url=url).outputs["response"]["n"], urls * 5))
    assert done == list(range(40)) * 5


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"url": "ftp://host/"}, "http"),
        ({"url": "host/path"}, "http"),
        ({"url": "http://"}, "host"),
        ({"url": "http://h\r\n/"}, "control"),
        ({"url": "http://h:99999/"}, "url"),
        ({"url": "http://h/", "headers": {"X": "a\r\nY: b"}}, "line break"),
        ({"url": "http://h/", "headers": {"X\n": "a"}}, "header"),
        ({"url": "http://h/", "headers": {"Content-Length": 5}}, "itself"),
        ({"url": "http://h/", "auth_token": "a\nb"}, "line break"),
        ({"url": "http://h/", "auth_token_env": "NOT_SET_ANYWHERE"}, "NOT_SET_ANYWHERE"),
        ({"url": "http://h/", "method": "GET /"}, "method"),
        ({"url": "http://h/", "body": "x", "form": {}}, "one body"),
        ({"url": "http://h/", "body": "!", "body_is_binary": True}, "base64"),
    ],
)
def test_params_that_make_no_request(run, params, words):
    with pytest.raises(InvalidParams, match=words) as caught:
        run("http", **params)
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"url": "${base}/x"}, []),
        ({"url": "https://h/${x}", "method": "${m}"}, []),
        ({"url": "example.com/x"}, ["url"]),
        ({"url": "http://h", "method": "CONNECT"}, ["method"]),
        ({"url": "http://h", "auth_token": "a", "auth_token_env": "B"}, ["auth_token_env"]),
        ({"url": "http://h", "body": 1, "body_file": "x"}, ["body_file"]),
    ],
)
def test_what_can_be_said_before_anything_runs(check, params, names):
    assert [name for name, _ in check("http", **params)] == names
