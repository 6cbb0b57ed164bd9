"""A server on loopback that speaks OpenAI's chat interface, as a test says."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from batchmill.concurrency.resources import close_resources


def completion(text, *, sent=10, answered=5, cached=0, finish="stop", **message):
    """A chat completion as OpenAI answers."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "some-model-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish,
            }
        ],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": answered,
            "total_tokens": sent + answered,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


class Model:
    """``answers`` are used up one by one, the last one stays: a text, a completion, ``(status, body,
    headers)``, or a function of the request that gives one of these. ``asked`` has every request's body.

    Concurrency: the server's threads share ``asked`` and ``answers``; ``lock`` guards both.
    """

    def __init__(self):
        self.lock = threading.Lock()
        self.answers = ["hello"]
        self.asked = []
        self.headers = []
        self.at_once = self.most_at_once = 0
        self.seconds = 0.0
        self.together = 1  # answers wait, some seconds at most, until so many calls are here at once
        self.gathered = threading.Event()
        self.closing = threading.Event()

    def next(self, body, headers):
        with self.lock:
            self.asked.append(body)
            self.headers.append(headers)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = answer(body)
        if isinstance(answer, str):
            answer = completion(answer)
        return answer if isinstance(answer, tuple) else (200, answer, {})


class JsonHandler(BaseHTTPRequestHandler):
    """What every server of these tests does: connections that last, and answers in JSON."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65536

    def log_message(self, *args):
        """Keep quiet."""

    def body(self):
        return self.rfile.read(int(self.headers["Content-Length"]))

    def send(self, status, answer, **headers):
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": len(data),
            **headers,
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:  # the client has gone
            self.close_connection = True


class Handler(JsonHandler):
    def do_POST(self):
        model = self.server.model
        body = json.loads(self.body())
        with model.lock:
            model.at_once += 1
            model.most_at_once = max(model.most_at_once, model.at_once)
            if model.at_once >= model.together:
                model.gathered.set()
        model.gathered.wait(20)
        model.closing.wait(model.seconds)
        status, answer, headers = model.next(body, {k.lower(): v for k, v in self.headers.items()})
        with model.lock:
            model.at_once -= 1
        if not self.path.endswith(("/chat/completions", "/embeddings", "/responses")):
            status, answer = 404, {"error": {"message": f"no {self.path}"}}
        self.send(status, answer, **headers)


class Listener(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 200

    def __init__(self, *args):
        super().__init__(*args)
        self.open = set()

    def process_request(self, request, client_address):
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request):
        self.open.discard(request)
        super().shutdown_request(request)

    def hang_up(self):
        """End the connections that clients keep."""
        for request in list(self.open):
            try:
                request.shutdown(socket.SHUT_RDWR)
            except OSError:  # gone already
                pass

    def handle_error(self, request, client_address):
        """A client that goes is what some tests are about."""


@pytest.fixture
def json_handler():
    """The class of :class:`JsonHandler`, for servers of another interface."""
    return JsonHandler


@contextmanager
def listening():
    """A :class:`Model` that answers, with its address as ``base_url``."""
    made = Model()
    with Listener(("127.0.0.1", 0), Handler) as server:
        server.model = made
        made.server = server
        made.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        close_resources()
        made.closing.set()
        server.shutdown()
        thread.join()
        server.hang_up()


@pytest.fixture
def model():
    """The server's :class:`Model`."""
    with listening() as made:
        yield made


@pytest.fixture
def other_model():
    """Another server."""
    with listening() as made:
        yield made


@pytest.fixture
def secure_model(model):
    """``secure_model((certificate, key))`` has the server speak TLS; gives a list of whether each client that
    has come showed a certificate."""

    def of(certificate):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        context.load_verify_locations(certificate[0])
        context.verify_mode = ssl.CERT_OPTIONAL
        accept, shown = model.server.get_request, []

        def secured():
            connection, address = accept()
            try:
                wrapped = context.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                raise
            shown.append(bool(wrapped.getpeercert()))
            return wrapped, address

        model.server.get_request = secured
        return shown

    return of


@pytest.fixture
def ask(run, model):
    """``ask("Hello?", ...)``: the outputs of an ``llm`` node that asks the server."""
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)

    def of(prompt, **params):
        return run("llm", **{"model": "m", "base_url": model.base_url, "prompt": prompt, **params}).outputs

    return of


@pytest.fixture(name="completion")
def completion_fixture():
    return completion
