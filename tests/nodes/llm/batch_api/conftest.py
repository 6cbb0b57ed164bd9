"""A server on loopback with the files and batches of OpenAI's interface, whose day passes as a test says."""

from __future__ import annotations

import json
import re
import threading
from http.server import ThreadingHTTPServer

import pytest

import batchmill
from batchmill.concurrency.clock import FakeClock
from batchmill.concurrency.resources import close_resources

HOUR, DAY = 3600.0, 86400.0
PRICES = {"m": {"input": 1000, "output": 1000}}  # a token costs a tenth of a cent
ENDED = ("completed", "failed", "expired", "cancelled")


class Provider:
    """What the server knows. A batch takes ``seconds`` by ``clock``; one that takes more than a day expires
    with the requests that had no answer. ``answer`` tells what a body is answered with: a text, a
    completion, ``(status, body)``, or None for never. ``written`` makes the lines of the file of answers.
    ``paid`` are the custom ids of answered requests, each
    as often as it was paid. ``hidden`` keeps new batches out of the list, ``broken`` makes (method, path)
    pairs fail so often, ``silent`` begins that many batches and answers nothing, or ``gateway``, a status.
    ``cut`` breaks off that many files in the middle.

    Concurrency: the server's threads share all of it; ``lock`` guards it.
    """

    def __init__(self, completion):
        self.lock = threading.RLock()
        self.clock = FakeClock(1_000_000.0)
        self.completion = completion
        self.seconds = HOUR
        self.answer = lambda body: body["messages"][-1]["content"].upper()
        self.files, self.batches, self.paid = {}, {}, []
        self.hidden = self.silent = self.gateway = self.cut = 0
        self.broken = {}
        self.written = list  # the lines of the file of answers, of those that it should have
        self.requests = []

    def upload(self, content):
        name = f"file-{len(self.files) + 1}"
        self.files[name] = content
        return {"id": name, "object": "file", "bytes": len(content), "purpose": "batch"}

    def create(self, told):
        name = f"batch_{len(self.batches) + 1}"
        lines = [json.loads(line) for line in self.files[told["input_file_id"]].splitlines()]
        batch = {
            "id": name, "object": "batch", "endpoint": told["endpoint"], "metadata": told["metadata"],
            "input_file_id": told["input_file_id"], "completion_window": told["completion_window"],
            "created_at": int(self.clock.time()), "status": "in_progress", "errors": None,
            "output_file_id": None, "error_file_id": None,
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }  # fmt: skip
        ids = [line["custom_id"] for line in lines]
        wrong = [line for line in lines if line["url"] != told["endpoint"]]
        if len(set(ids)) < len(ids) or len({line["body"]["model"] for line in lines}) > 1 or wrong:
            batch["status"] = "failed"
            batch["errors"] = {"data": [{"code": "invalid", "message": "the file is not as it must be"}]}
        self.batches[name] = batch
        return batch

    def look(self, name):
        batch = self.batches[name]
        age = self.clock.time() - batch["created_at"]
        if batch["status"] not in ENDED and (age >= self.seconds or age >= DAY):
            self.end(batch, "completed" if age < DAY or self.seconds < DAY else "expired")
        return batch

    def end(self, batch, status):
        """Answer what can be answered; the rest has expired."""
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        output, errors = [], []
        for line in lines:
            found = self.answer(line["body"])
            head = {"id": "r", "custom_id": line["custom_id"]}
            if found is None:
                told = {"code": "batch_expired", "message": "This request could not be executed in time."}
                errors.append({**head, "response": None, "error": told})
                continue
            found = self.completion(found) if isinstance(found, str) else found
            code, body = found if isinstance(found, tuple) else (200, found)
            response = {"status_code": code, "request_id": "x", "body": body}
            (output if code == 200 else errors).append({**head, "response": response, "error": None})
            if code == 200:
                self.paid.append(line["custom_id"])
        for kind, told in (("output_file_id", output), ("error_file_id", errors)):
            if told:
                told = self.written(told) if kind == "output_file_id" else told
                batch[kind] = self.upload("\n".join(map(json.dumps, told)).encode() + b"\n")["id"]
        batch["request_counts"] = {"total": len(lines), "completed": len(output), "failed": len(errors)}
        batch["status"] = status

    def listed(self):
        shown = sorted(self.batches.values(), key=lambda one: -int(one["id"].partition("_")[2]))
        return [self.look(one["id"]) for one in shown[self.hidden :]]

    def count(self, method, path):
        return sum(one == (method, path) for one in self.requests)


class Routes:
    """The part of a handler that answers; it sends as the one beside it does."""

    def do_POST(self):
        self.reply("POST", self.body())

    def do_GET(self):
        self.reply("GET", b"")

    def reply(self, method, body):
        provider, path = self.server.provider, self.path.partition("?")[0].removeprefix("/v1")
        with provider.lock:
            provider.requests.append((method, path))
            if provider.broken.get((method, path), 0) > 0:
                provider.broken[method, path] -= 1
                self.send(503, {"error": {"message": "too busy"}})
                return
            answer = self.routed(provider, method, path, body)
            silent = method == "POST" and path == "/batches" and provider.silent > 0
            provider.silent -= silent
            cut = path.endswith("/content") and provider.cut > 0
            provider.cut -= cut
        if silent and provider.gateway:
            self.send(provider.gateway, {"error": {"message": "the server did not answer in time"}})
            return
        if silent or cut:
            self.close_connection = True
            if cut:
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer[: len(answer) // 2])
            return
        self.send(404 if answer is None else 200, answer or {"error": {"message": f"no {path}"}})

    def routed(self, provider, method, path, body):
        if (method, path) == ("POST", "/files"):
            boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
            part = next(one for one in body.split(b"--" + boundary) if b'name="file"' in one)
            return provider.upload(part.partition(b"\r\n\r\n")[2][: -len(b"\r\n")])
        if (method, path) == ("POST", "/batches"):
            return provider.create(json.loads(body))
        if (method, path) == ("GET", "/batches"):
            return {"object": "list", "data": provider.listed(), "has_more": False}
        if found := re.fullmatch(r"/batches/(\w+)", path):
            return provider.look(found[1]) if found[1] in provider.batches else None
        if found := re.fullmatch(r"/files/([\w-]+)/content", path):
            return provider.files.get(found[1])
        return None


class Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that is killed is what some tests are about."""


@pytest.fixture
def provider(completion, json_handler):
    """The server's :class:`Provider`, with its address as ``base_url``."""
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    made = Provider(completion)
    handler = type("Handler", (Routes, json_handler), {})
    with Listener(("127.0.0.1", 0), handler) as server:
        server.provider = made
        made.base_url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        close_resources()
        server.shutdown()
        thread.join()


@pytest.fixture
def labelling(provider):
    """``labelling(["a", "b"], ...)``: a document that asks the server of each item, by its batch API."""

    def of(items, *, batch=None, then=(), **params):
        asked = {"model": "m", "base_url": provider.base_url, "prompt": "${item}", "batch_api": True}
        block = {"items": items, "error_handling": "continue", **(batch or {})}
        node = {"id": "ask", "type": "llm", "params": {**asked, **params}, "batch": block}
        return {"prices": PRICES, "nodes": [node, *then]}

    return of


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "runs.sqlite"


@pytest.fixture
def go(journal):
    """``go(document)`` begins a run, ``go()`` resumes it."""

    def on(document=None, **more):
        if document is None:
            return batchmill.resume(journal=journal, **more)
        return batchmill.run(document, journal=journal, **more)

    return on


def said(run, node="ask"):
    """The answers, None where there is none."""
    return [one and one["response"] for one in run.outputs["results"]]


@pytest.fixture(name="said")
def said_fixture():
    return said
