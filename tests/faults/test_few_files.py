"""Calls of services under a low limit of open files: they wait for one another, and none fails."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading

import pytest

LIMIT, ITEMS = 128, 150
WAVE = 50  # requests that are answered together: less than there are places while two commands start

SCRIPT = """
import json, resource, sys
from concurrent.futures import ThreadPoolExecutor
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
import batchmill

base, in_turn = sys.argv[1], sys.argv[2] == "in turn"
batch = {{"items": {{"range": [{items}]}}, "executor": "thread", "max_concurrent": {items},
         "error_handling": "continue"}}
model = {{"model": "m", "base_url": base}}
kinds = {{
    "ask": ("llm", {{"prompt": "${{item}}", **model}}),
    "get": ("http", {{"url": base + "/${{item}}"}}),
    "embed": ("embeddings", {{"input": "${{item}}", **model}}),
}}
nodes = [{{"id": name, "type": kind, "params": params, "batch": batch}}
         for name, (kind, params) in kinds.items()]
commands = {{**batch, "max_concurrent": 2}}
nodes.append({{"id": "run", "type": "shell", "params": {{"command": "echo ${{item}}"}}, "batch": commands}})
names = [node["id"] for node in nodes]
edges = [{{"from": before, "to": after}} for before, after in zip(names, names[1:])]
documents = [{{"nodes": nodes, "edges": edges}}] if in_turn else [{{"nodes": [node]}} for node in nodes]
with ThreadPoolExecutor(len(documents)) as pool:  # runs of one process share its limit
    results = list(pool.map(batchmill.run, documents))
print(json.dumps([
    sorted({{one.status for one in results}}),
    [error for one in results for error in one.errors][:3],
    sorted({{warned["code"] for one in results for warned in one.warnings}}),
]))
"""


class Server:
    """Answers requests in waves: once ``WAVE`` wait, or all that are still to come. In turn, each kind of
    request has waves of its own."""

    def __init__(self, in_turn):
        self._left = [ITEMS] * 3 if in_turn else [3 * ITEMS]
        self._waiting = []
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", backlog=500)
        )
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                sent = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                await reader.readexactly(int(sent or 0))
                await self._turn()
                body = json.dumps(_answer(head.split()[1])).encode()
                fields = b"Content-Type: application/json\r\nContent-Length: %d" % len(body)
                writer.write(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n" + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _turn(self):
        mine = self._loop.create_future()
        self._waiting.append(mine)
        if len(self._waiting) >= min(WAVE, self._left[0]):
            self._left[0] -= len(self._waiting)
            if not self._left[0]:
                self._left.pop(0)
            wave, self._waiting = self._waiting, []
            for one in wave:
                one.set_result(None)
        await mine

    def close(self):
        async def closed():
            self._server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(closed(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()


def _answer(path):
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    if path.endswith(b"/embeddings"):
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        return {"object": "list", "model": "m", "data": data, "usage": usage}
    message = {"role": "assistant", "content": "yes"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [choice],
        "usage": usage,
    }


@pytest.mark.slow
@pytest.mark.parametrize("order", ["at once", "in turn"])
def test_calls_of_several_kinds_all_succeed(tmp_path, order):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(limit=LIMIT, items=ITEMS))
    server = Server(order == "in turn")
    try:
        command = [sys.executable, script, server.url, order]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    status, errors, warned = json.loads(done.stdout)
    assert (status, errors) == (["success"], [])
    assert set(warned) <= {
        "few-files"
    }  # a fast machine may answer each call before the next one needs a place
