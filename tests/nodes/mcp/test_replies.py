"""Replies that cannot be read, and answers over HTTP that are refusals: told at once, with words."""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batchmill.concurrency.resources import close_resources
from batchmill.errors import NodeError

# A server that needs no SDK: it answers to `initialize` and `tools/list` as it should, and to a call of a
# tool with the text that the call gives it, `ID` in it being the id of the request.
PROGRAM = """
import json, sys
def send(text):
    sys.stdout.write(text + "\\n")
    sys.stdout.flush()
def reply(message, result):
    send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}))
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize" and "bad-start" in sys.argv:
        send('{"jsonrpc": "2.0", "id": %s, "result": 5}' % json.dumps(message["id"]))
    elif method == "initialize":
        version = message["params"]["protocolVersion"]
        reply(message, {"protocolVersion": version, "capabilities": {"tools": {}},
                        "serverInfo": {"name": "s", "version": "1"}})
    elif method == "tools/list":
        reply(message, {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]})
    elif method == "tools/call":
        text = message["params"]["arguments"]["text"]
        send(text.replace("ID", json.dumps(message["id"])))
    elif "id" in message:
        send(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}))
"""
GOOD = '{"jsonrpc": "2.0", "id": ID, "result": {"content": [{"type": "text", "text": "fine"}]}}'


@pytest.fixture
def raw(tmp_path):
    program = tmp_path / "raw.py"
    program.write_text(PROGRAM)
    return lambda *words: {"command": sys.executable, "args": [str(program), *words], "timeout": 60}


BAD = {
    "cut off": '{"jsonrpc": "2.0", "id": ID, "result": {"content": [{"type": "te',
    "no object": '{"jsonrpc": "2.0", "id": ID, "result": 5}',
    "an error that is none": '{"jsonrpc": "2.0", "id": ID, "error": "no"}',
    "of nobody's": '{"jsonrpc": "2.0", "result": {"content": [',
    "not what a tool gives": '{"jsonrpc": "2.0", "id": ID, "result": {"content": 5}}',
    "of no version": '{"id": ID, "result": {"content": []}}',
    "of another version": '{"jsonrpc": "1.0", "id": ID, "error": "no"}',
    "in a list": '[{"jsonrpc": "2.0", "id": ID, "result": {"content": []}}]',
    "NaN": '{"jsonrpc": "2.0", "id": ID, "result": {"content": [], "structuredContent": {"x": NaN}}} x',
}


@pytest.mark.parametrize("name", BAD)
def test_a_reply_that_cannot_be_read_fails_at_once(call, raw, name):
    assert call("say", server=raw(), text=GOOD)["result"] == "fine"
    began = time.monotonic()
    with pytest.raises(NodeError) as caught:
        call("say", text=BAD[name])
    assert time.monotonic() - began < 20
    assert (caught.value.type_name, caught.value.retryable) == ("UnreadableReply", True)
    assert "MCP server 's' sent" in str(caught.value)
    assert call("say", text=GOOD)["result"] == "fine"  # on the same session


def test_it_fails_the_call_that_it_belongs_to_and_no_other(call, raw):
    """All wait for their replies, which come together with the last call's."""
    texts = [GOOD, BAD["no object"], GOOD, BAD["cut off"]]
    call("say", server=raw(), text=GOOD)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(call, "say", text=text) for text in texts]
        errors = [one.exception() for one in waiting]
    assert [error is None for error in errors] == [True, False, True, False]


def test_noise_is_no_reply(call, raw):
    noise = (
        '{"level": "info", "id": 3, "result": "x"}\\n{"jsonrpc": 5}\\n{"jsonrpc": "2.0", "method": 5}\\n\\n'
    )
    assert call("say", server=raw(), text=noise.replace("\\n", "\n") + GOOD)["result"] == "fine"


def test_a_start_that_cannot_be_read(call, raw):
    with pytest.raises(NodeError, match="cannot be started"):
        call("say", server={**raw("bad-start"), "start_timeout": 20}, text=GOOD)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Keep quiet."""

    def do_GET(self):
        self.answer(405, b"", {})

    do_DELETE = do_GET

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method, told = message.get("method"), {}
        self.server.methods.append(method)
        if method in self.server.unanswered:
            self.server.unanswered.discard(method)
            self.close_connection = True
            return
        if method == "initialize":
            self.server.sessions += 1
            version = message["params"]["protocolVersion"]
            info = {"name": "s", "version": "1"}
            told = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}
        elif method == "tools/list":
            told = {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}
        elif method == "tools/call":
            text = message["params"].get("arguments", {}).get("text")
            status, headers, body = self.server.by_text.get(text) or self.server.answers[0]
            self.answer(status, body.replace(b"ID", json.dumps(message["id"]).encode()), headers)
            return
        elif "id" not in message:
            self.answer(202, b"", {})
            return
        else:
            error = {"code": -32601, "message": "no"}
            text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": error})
            self.answer(200, text.encode(), {"Content-Type": "application/json"})
            return
        text = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": told})
        self.answer(200, text.encode(), {"Content-Type": "application/json"})

    def answer(self, status, body, headers):
        self.send_response(status)
        if callable(hold := headers.get("hold")):
            hold()
        shown = {name: value for name, value in headers.items() if name != "hold"}
        for name, value in {"Content-Length": str(len(body)), **shown}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = "Content-Length" in headers  # which is not that of the body


@pytest.fixture
def web():
    """A server over HTTP that needs no SDK; ``.answers`` has the answer to calls of its tool. It closes the
    connection on the first message of each method in ``.unanswered``."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.url = f"http://127.0.0.1:{server.server_port}/mcp"
        server.sessions, server.by_text = 0, {}
        server.methods, server.unanswered = [], set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        close_resources()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "headers", "retryable", "wait", "refused"),
    [
        (429, {"Retry-After": "7"}, True, 7.0, True),
        (429, {}, True, None, True),
        (429, {"retry-after-ms": "1500"}, True, 1.5, True),
        (503, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1m30s"}, True, 90.0, True),
        (529, {}, True, None, True),
        (401, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1m30s"}, False, None, False),
        (503, {}, True, None, True),
        (502, {}, True, None, False),
        (401, {}, False, None, False),
        (400, {}, False, None, False),
    ],
)
def test_statuses_are_told_and_refusals_are_refusals(call, web, status, headers, retryable, wait, refused):
    web.answers = [(status, {"Content-Type": "text/html", **headers}, b"<html>no</html>")]
    with pytest.raises(NodeError, match=f"answered with {status} to a call of 'say'") as caught:
        call("say", server={"url": web.url}, text="x")
    error = caught.value
    assert (error.type_name, error.retryable, error.retry_after, error.refused) == (
        f"HTTP{status}",
        retryable,
        wait,
        refused,
    )
    assert error.outputs["status_code"] == status


def test_connections_that_were_closed_meanwhile(call, web):
    """As by a server that keeps none: only a call of a tool is not sent again, as it may have arrived."""
    web.unanswered |= {"initialize", "notifications/initialized", "tools/list"}
    web.answers = [(200, {"Content-Type": "application/json"}, GOOD.encode())]
    assert call("say", server={"url": web.url}, text="x")["result"] == "fine"
    web.unanswered.add("tools/call")
    with pytest.raises(NodeError) as caught:
        call("say", text="x")
    assert caught.value.retryable
    assert web.methods.count("tools/call") == 2


def test_after_a_refusal_the_session_goes_on(call, web):
    web.answers = [(429, {}, b"")]
    with pytest.raises(NodeError):
        call("say", server={"url": web.url}, text="x")
    with pytest.raises(NodeError, match="429"):
        call("say", text="x")


def test_a_body_that_cannot_be_read_fails_at_once(call, web):
    web.answers = [(200, {"Content-Type": "application/json"}, b'{"jsonrpc": "2.0", "id":')]
    began = time.monotonic()
    with pytest.raises(NodeError):
        call("say", server={"url": web.url, "timeout": 60}, text="x")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"Content-Type": "text/html"}, b"<html>", "answered with 200 and text/html, which is no reply"),
        ({"Content-Type": "application/json", "Content-Length": "99"}, b"{", "ended before the whole reply"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, b"{}", "ended before the whole"),
    ],
)
def test_an_answer_that_is_no_reply_fails_its_call_and_no_other(call, web, headers, body, words):
    web.answers = [(200, headers, body)]
    for _ in range(2):
        with pytest.raises(NodeError, match=words) as caught:
            call("say", server={"url": web.url})
        assert (caught.value.type_name, caught.value.retryable) == ("UnreadableReply", True)
    assert web.sessions == 1


EVENTS = {"Content-Type": "text/event-stream", "Content-Length": "9999"}  # of which fewer come
PROGRESS = (
    b'event: message\ndata: {"jsonrpc": "2.0", "method": "notifications/message", "params": %s}\n\n'
    % (b'{"level": "info", "data": "x"}')
)


@pytest.mark.parametrize(
    "body",
    [b"", PROGRESS, PROGRESS + b'event: message\r\ndata: {"jsonrpc": "2.0", "id": ID, "result": {"conte'],
    ids=["before the first event", "between two", "within one"],
)
@pytest.mark.parametrize("headers", [EVENTS, {**EVENTS, "Content-Length": ""}], ids=["broken", "ended"])
def test_a_stream_that_breaks_off_fails_its_call_and_no_other(call, web, headers, body):
    if not headers["Content-Length"]:
        headers = {**headers, "Content-Length": str(len(body.replace(b"ID", b"1")))}  # ids have one digit
    begun, broken = threading.Event(), threading.Event()

    def hold():
        begun.set()
        assert broken.wait(60)

    good = b"event: message\ndata: " + GOOD.encode() + b"\n\n"
    length = str(len(good.replace(b"ID", b"1")))
    web.by_text["good"] = (200, {**EVENTS, "Content-Length": length, "hold": hold}, good)
    web.answers = [(200, headers, body)]
    with ThreadPoolExecutor(1) as other:
        waits = other.submit(call, "say", server={"url": web.url, "timeout": 60}, text="good")
        assert begun.wait(60)
        with pytest.raises(NodeError, match="ended before the whole reply") as caught:
            call("say", text="cut")
        assert (caught.value.type_name, caught.value.retryable) == ("UnreadableReply", True)
        broken.set()
        assert waits.result()["result"] == "fine"
    assert call("say", text="good")["result"] == "fine"
    assert web.sessions == 1


def test_an_error_with_a_code_of_the_servers_own_does_not_end_the_session(call, web):
    text = b'{"jsonrpc": "2.0", "id": ID, "error": {"code": -32050, "message": "quota of this tool"}}'
    web.answers = [(200, {"Content-Type": "application/json"}, text)]
    with pytest.raises(NodeError, match="quota of this tool"):
        call("say", server={"url": web.url})
    with pytest.raises(NodeError, match="quota of this tool"):
        call("say")
    assert web.sessions == 1
