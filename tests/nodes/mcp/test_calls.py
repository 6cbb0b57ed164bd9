"""Tools of servers over stdio and HTTP: called, restarted, ended."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.resources import close_resources
from batchmill.errors import AttemptTimeout, InvalidParams, MissingExtra, NodeError, Stopped


@pytest.mark.slow
def test_the_environment_of_a_server(call, stdio, monkeypatch):
    monkeypatch.setenv("SOME_SECRET", "canary")
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    names = call("environment", server=stdio(env={"GIVEN": "${SOME_SECRET}", "OTHER": "${NOT_SET:-x}"}))[
        "result"
    ]
    assert {"GIVEN", "OTHER", "PATH"} <= set(names)
    assert not {"SOME_SECRET", "OPENAI_API_KEY"} & set(names)


@pytest.mark.slow
def test_a_variable_that_is_not_set(call, stdio):
    with pytest.raises(InvalidParams, match="NOT_SET_ANYWHERE"):
        call("pid", server=stdio(env={"X": "${NOT_SET_ANYWHERE}"}))


@pytest.mark.slow
def test_a_server_that_dies_is_started_again(call, is_gone):
    first = call("pid")["result"]
    with pytest.raises(NodeError, match="dying now") as caught:
        call("die")
    assert caught.value.retryable
    assert is_gone(first)
    assert call("pid")["result"] != first


@pytest.mark.slow
def test_a_death_ends_every_call_on_the_session(call):
    call("pid")
    failures = []

    def wait():
        try:
            call("meet", n=7)
        except NodeError as error:
            failures.append(error)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    call("meet", n=6)  # with those five
    with pytest.raises(NodeError):
        call("die")
    for thread in threads:
        thread.join(30)
    assert len(failures) == 5
    assert all(failure.retryable for failure in failures)


@pytest.mark.slow
def test_a_killed_server(call, is_gone, soon):
    first = call("pid")["result"]
    os.kill(first, signal.SIGKILL)
    assert is_gone(first)

    def replaced():
        try:
            return call("pid")["result"] != first
        except NodeError as error:  # its end was not seen yet
            return not error.retryable

    assert soon(replaced)


@pytest.mark.slow
def test_a_server_that_hangs_is_replaced(call, is_gone, tmp_path, given_time):
    def check(seconds):
        first, hangs = call("pid")["result"], tmp_path / str(seconds)
        with pytest.raises(AttemptTimeout):
            call("hang", path=str(hangs), attempt=Attempt(deadline=time.monotonic() + seconds))
        assert hangs.exists()
        assert call("pid")["result"] != first
        assert is_gone(first)

    given_time(check)


@pytest.mark.slow
def test_a_cancelled_run(call):
    call("pid")
    token = CancelToken()
    timer = threading.Timer(0.2, token.cancel)
    timer.start()
    with pytest.raises(Stopped, match="cancelled"):
        call("hang", attempt=Attempt(cancel=token))
    timer.join()


@pytest.mark.slow
def test_noise_is_survived(call, stdio):
    assert call("add", a=1, server=stdio("noise"))["result"] == 2
    assert call("chatter")["result"] == "said"
    assert call("add", a=2)["result"] == 3


@pytest.mark.parametrize(
    ("server", "words", "retryable"),
    [
        ({"command": "no-such-program-anywhere"}, "cannot be started", False),
        (
            {"command": sys.executable, "args": ["-c", "import sys; sys.exit('no licence')"]},
            "no licence",
            True,
        ),
        ({"command": "true"}, "ended before it answered", True),
        pytest.param(
            {"command": "sleep", "args": ["600"], "start_timeout": 0.5},
            r"within 0\.5 s",
            True,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"command": "yes", "start_timeout": 0.5}, r"within 0\.5 s", True, marks=pytest.mark.slow
        ),
        ({"url": "http://127.0.0.1:9/mcp", "start_timeout": 5}, "MCP server", True),
    ],
    ids=["missing", "refuses", "ends", "deaf", "endless noise", "nobody listens"],
)
@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")  # mcp 1.19 forgets one
@pytest.mark.first_quick
def test_servers_that_do_not_start(call, server, words, retryable):
    with pytest.raises(NodeError, match=words) as caught:
        call("add", a=1, server=server)
    assert caught.value.retryable is retryable
    gc.collect()  # so that it complains here, where that is ignored


@pytest.mark.slow
def test_nothing_of_a_server_stays(call, is_gone):
    server, child = call("pid")["result"], call("child")["result"]
    close_resources()
    assert is_gone(server)
    # what the server started and left is not ours to end once the server has gone in good order
    os.kill(child, signal.SIGKILL)


@pytest.mark.slow
def test_a_server_that_does_not_want_to_end(call, stdio, is_gone, tmp_path, pid_in):
    call("add", a=1, server=stdio("stubborn", str(tmp_path / "pid")))
    pid = pid_in(tmp_path / "pid")
    close_resources()
    assert is_gone(pid)


@pytest.mark.slow
def test_over_http(call, http):
    server = http()
    assert call("add", a=2, b=3, server={"url": server.url})["result"] == 5
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: call("add", a=n)["result"], range(32)))
    assert done == [n + 1 for n in range(32)]
    with pytest.raises(InvalidParams):
        call("add")
    with pytest.raises(NodeError, match="because"):
        call("fail", why="x")


@pytest.mark.slow
def test_over_http_after_a_restart(call, http):
    server = http()
    first = call("pid", server={"url": server.url, "timeout": 3})["result"]
    server.stop()
    with pytest.raises((NodeError, AttemptTimeout)) as caught:
        call("add", a=1)
    assert getattr(caught.value, "retryable", True)
    server.start()
    assert call("pid")["result"] != first


@pytest.mark.slow
def test_over_http_a_call_that_takes_too_long(call, http):
    server = http()
    first = call("pid", server={"url": server.url})["result"]
    with pytest.raises(AttemptTimeout):
        call("slow", attempt=Attempt(deadline=time.monotonic() + 0.3), seconds=5)
    assert call("pid")["result"] == first


def test_without_the_extra(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(MissingExtra, match=r"batchmill\[mcp\]"):
        call("pid")
