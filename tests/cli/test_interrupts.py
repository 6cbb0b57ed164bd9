"""Signals: the first stops, the second ends, the third leaves; each in a process of its own."""

import signal
import subprocess
import sys
import time

import psutil
import pytest

from batchmill.cli.guard import LEAVING, LOOK
from batchmill.cli.interrupts import HANDLED, Interrupts
from batchmill.concurrency.cancel import CancelToken

# waits until a token is set and says so; arguments: the token, grace, last wait, what is one event
PROGRAM = """
import sys, time
from batchmill.concurrency.cancel import CancelToken
from batchmill.cli.interrupts import Interrupts
name, grace, last_wait, one_event = sys.argv[1], *map(float, sys.argv[2:])
tokens = {"stop": CancelToken(), "cancel": CancelToken(), "neither": CancelToken()}
say = lambda text: print(text, flush=True)
with Interrupts(tokens["stop"], tokens["cancel"], say, grace, last_wait, one_event) as interrupts:
    print("ready", flush=True)
    tokens[name].wait(60)
print("ended", interrupts.first, flush=True)
"""


@pytest.fixture
def started():
    """Start the program; whatever becomes of the test, it is ended."""
    running = []

    def start(token, grace=60.0, last_wait=60.0, one_event=0.0, program=PROGRAM):
        command = [sys.executable, "-c", program, token, str(grace), str(last_wait), str(one_event)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", HANDLED)
@pytest.mark.first_quick
def test_the_first_signal_asks_to_stop(started, number):
    process = started("stop")
    process.send_signal(number)
    out, _ = process.communicate(timeout=20)
    assert "no new items start" in out
    assert f"ended {int(number)}" in out
    assert process.returncode == 0


def test_the_second_signal_ends_what_runs(started):
    process = started("cancel")
    process.send_signal(signal.SIGINT)
    assert "SIGINT" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert "ending what still runs" in out
    assert "ended 2" in out


def test_the_same_signal_again_within_a_moment_is_the_same_event(started):
    """GNU timeout signals its child and then the child's group."""
    process = started("neither", grace=0.5, last_wait=0.1, one_event=60.0)
    for _ in range(5):
        process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    lines = out.splitlines()
    assert "no new items start" in lines[0]
    assert lines[1].startswith("0.5 s have passed")
    assert lines[2:] == ["some items do not end: leaving without them"]


def test_another_signal_is_another_event(started):
    process = started("cancel", one_event=60.0)
    process.send_signal(signal.SIGINT)
    assert "SIGINT" in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert "ending what still runs" in out


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_third_signal_leaves_at_once(started, number, code):
    process = started("neither")
    for _ in range(3):
        process.send_signal(number)
        process.stdout.readline()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == code
    assert "ended" not in out


def test_when_the_grace_is_over_what_runs_is_ended(started):
    process = started("cancel", grace=0.05)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert "0.05 s have passed" in out
    assert "ended 15" in out


def test_what_does_not_end_is_left_with_its_children():
    program = PROGRAM.replace(
        'print("ready"', 'child = __import__("subprocess").Popen(["sleep", "60"]); print("ready"'
    )
    command = [sys.executable, "-c", program, "neither", "0.05", "0.05", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)  # ends only when the child has let go of the pipe
    assert process.returncode == 130
    assert "leaving without them" in out


def test_handlers_are_put_back():
    before = {number: signal.getsignal(number) for number in HANDLED}
    with Interrupts(CancelToken(), CancelToken(), print) as interrupts:
        assert signal.getsignal(signal.SIGINT) is not before[signal.SIGINT]
    assert {number: signal.getsignal(number) for number in HANDLED} == before
    assert interrupts.first is None


def test_a_long_call_into_c_does_not_delay_the_token(started):
    """The handler itself cannot run while the main thread is in the call; the watching thread does."""
    program = PROGRAM.replace(
        "tokens[name].wait(60)",
        "import zlib; [zlib.compress(bytes(5_000_000), 9) for _ in range(400) if not tokens[name].cancelled]",
    )
    process = started("stop", program=program)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "ended 2" in out


SEARCHES = """
import re, sys, threading
from batchmill.concurrency.cancel import CancelToken
from batchmill.cli.interrupts import Interrupts
with Interrupts(CancelToken(), CancelToken(), lambda text: print(text, flush=True)):
    def search():
        print("ready", flush=True)
        re.match("(a+)+$", "a" * 80 + "!")
    if sys.argv[1] == "thread":
        threading.Thread(target=search, daemon=True).start()
        threading.Event().wait()
    else:
        search()
"""


@pytest.mark.slow
@pytest.mark.parametrize("where", ["main", "thread"])
def test_the_third_signal_leaves_while_a_search_keeps_the_interpreter_to_itself(started, where):
    process = started(where, program=SEARCHES)
    for _ in range(3):
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    # 130 where the command hears its signals, 137 where only its guard can end it
    assert process.returncode in (130, -signal.SIGKILL)


@pytest.mark.slow
def test_the_guard_counts_the_signals_that_count(started):
    """Several within a moment tell of one event: the guard must not take them for the third signal."""
    process = started("neither", one_event=3600)
    for _ in range(4):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    time.sleep(2 * LOOK + LEAVING)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert "no new items start" in process.stdout.readline()
    assert "ending what still runs" in process.stdout.readline()


def test_the_guard_is_gone_with_the_block():
    before = {child.pid for child in psutil.Process().children()}
    with Interrupts(CancelToken(), CancelToken(), print):
        assert {child.pid for child in psutil.Process().children()} > before
    assert {child.pid for child in psutil.Process().children()} == before


FINISHING = PROGRAM.replace("tokens = {", 'tokens = {"last": CancelToken(), ').replace(
    "last_wait, one_event) as interrupts:",
    'last_wait, one_event, tokens["last"]) as interrupts:\n    interrupts.finishing()',
)


def test_a_first_signal_leaves_what_runs_at_the_end_running_and_the_second_ends_it(started):
    process = started("last", grace=0.05, last_wait=60, program=FINISHING)
    process.send_signal(signal.SIGINT)
    assert "`finally` runs to its end" in process.stdout.readline()
    time.sleep(0.2)  # longer than items would have
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert "ending what still runs" in out
    assert "ended 2" in out


def test_the_time_that_items_had_is_over_when_the_end_begins(given_time):
    def check(seconds):
        stop, cancel, last, said = CancelToken(), CancelToken(), CancelToken(), []
        waits = {"grace": seconds, "last_wait": seconds}
        with Interrupts(stop, cancel, said.append, **waits, last=last) as interrupts:
            signal.raise_signal(signal.SIGINT)
            assert stop.wait(20)
            interrupts.finishing()
            time.sleep(2.5 * seconds)
            assert not cancel.cancelled
            assert not last.cancelled

    given_time(check)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in HANDLED[1:]:
        signal.signal(number, signal.SIG_DFL)


def test_a_second_signal_before_the_end_leaves_it_out(started):
    process = started("last", program=FINISHING.replace("interrupts.finishing()", "pass"))
    process.send_signal(signal.SIGINT)
    assert "no new items start" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert "ended 2" in out
