"""A server on loopback that does to its clients whatever a test says, byte by byte."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass, field

import pytest

from batchmill.concurrency.resources import close_resources


@dataclass
class Received:
    """A request as it came in; ``connection`` counts the connections of the server."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


def reply(status=200, body=b"", headers=(), reason="Some Reason"):
    """The bytes of a plain answer; ``body`` may be text, or anything else as JSON."""
    fields = dict(headers)
    if isinstance(body, str):
        body = body.encode()
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
        fields.setdefault("Content-Type", "application/json")
    if status not in (204, 304):
        fields.setdefault("Content-Length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} {reason}\r\n{head}\r\n".encode("latin-1") + body


@dataclass
class Server:
    """Answers by path. An answer is bytes, or a function of the request and the socket that returns bytes,
    or None to have the connection closed; a list of answers is used up one by one, the last one staying.

    Concurrency: a thread for each connection; ``_lock`` guards ``received``, ``_answers`` and ``_open``.
    """

    received: list[Received] = field(default_factory=list)
    _answers: dict = field(default_factory=dict)
    _open: set = field(default_factory=set)
    _threads: list = field(default_factory=list)
    _connections: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self):
        self.closing = threading.Event()
        self.wrap = None  # what makes a TLS connection of a plain one
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def on(self, path, *answers):
        """Say what is answered to requests for ``path``; returns its URL."""
        with self._lock:
            self._answers[path] = list(answers)
        return self.url + path

    @property
    def connections(self):
        return self._connections

    def close(self):
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(connection)
                self._connections += 1
                number = self._connections
            thread = threading.Thread(target=self._serve, args=(connection, number))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection, number):
        plain = connection
        try:
            if self.wrap is not None:
                connection = self.wrap(plain)
                with self._lock:
                    self._open.discard(plain)
                    if connection is None:
                        return
                    self._open.add(connection)
            with connection.makefile("rb") as file:
                while (request := _read(file, number)) is not None:
                    answer = self._answer(request)
                    if callable(answer):
                        answer = answer(request, connection)
                    if answer is None:
                        return
                    connection.sendall(answer)
        except (OSError, RuntimeError):  # the second on PyPy, if TLS has no words for the end
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            for one in (plain, connection):
                if one is not None:
                    one.close()

    def _answer(self, request):
        with self._lock:
            self.received.append(request)
            answers = self._answers.get(request.target.partition("?")[0])
            if answers is None:
                return reply(404, {"path": request.target})
            return answers.pop(0) if len(answers) > 1 else answers[0]


def _read(file, number):
    """The next request; None when the client has gone."""
    first = file.readline().decode("latin-1").split()
    if len(first) != 3:
        return None
    headers = {}
    while (line := file.readline().strip()) != b"":
        name, _, value = line.decode("utf-8").partition(":")
        headers[name.lower()] = value.strip()
    body = file.read(int(headers.get("content-length", "0")))
    if headers.get("transfer-encoding") == "chunked":
        while size := int(file.readline(), 16):
            body += file.read(size)
            file.readline()
        file.readline()
    return Received(first[0], first[1], headers, body, number)


@pytest.fixture
def server():
    made = Server()
    yield made
    close_resources()
    made.close()


@pytest.fixture
def other_server():
    made = Server()
    yield made
    close_resources()
    made.close()


@pytest.fixture
def trickle(server):
    """``trickle(data)``: an answer that comes a byte every 20 ms, until the server is closed."""

    def of(data):
        def send(request, connection):
            for number in range(len(data)):
                connection.sendall(data[number : number + 1])
                if server.closing.wait(0.02):
                    return
            return

        return send

    return of


@pytest.fixture
def after():
    """``after(seconds, answer)``: the same answer, later."""

    def of(seconds, answer):
        def send(request, connection):
            time.sleep(seconds)
            return answer

        return send

    return of


@pytest.fixture(name="reply")
def reply_fixture():
    return reply


@pytest.fixture
def sent(run, server, reply):
    """``sent(**params)``: the request as the server saw it."""

    def send(path="/x", **params):
        run("http", url=server.on(path, reply(200, b"")), **params)
        return server.received[-1]

    return send
