"""Running commands: what they are given, what is kept, and that all of them ends."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import threading

import psutil
import pytest

from batchmill.concurrency.cancel import CancelToken
from batchmill.nodes import groups, process
from batchmill.nodes.process import run_command

MEGABYTE = 1024 * 1024
posix = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="looks at /proc")


def sh(script, *args, **options):
    options = {"max_output_bytes": MEGABYTE, "cancel": CancelToken(), **options}
    return run_command(["sh", "-c", script, "sh", *map(str, args)], **options)


def started(path):
    """The process id that a command wrote there before its time was up."""
    assert path.exists()
    text = path.read_text()
    path.unlink()
    assert text.endswith("\n")
    return int(text)


def test_streams_and_exit_code():
    done = sh("printf out; printf err >&2; exit 3")
    assert (done.stdout, done.stderr, done.exit_code, done.signal) == (b"out", b"err", 3, 0)
    assert [done.truncated, done.timed_out, done.cancelled, done.escaped] == [False] * 4


def test_what_it_took_is_told_with_what_it_waited_for():
    done = sh("sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; printf out; printf loud >&2")
    assert done.commands.bytes_out == 3
    assert 0.005 < done.commands.cpu < 60


def test_what_is_thrown_away_was_printed_all_the_same():
    assert sh("printf 12345", max_output_bytes=2).commands.bytes_out == 5


def test_without_a_process_to_wait_for_nobody_knows_what_it_took(monkeypatch):
    def reaped(number, options):
        os.waitpid(number, 0)  # as a kernel does where SIGCHLD is ignored
        raise ChildProcessError

    monkeypatch.setattr(groups.os, "wait4", reaped)
    done = sh("exit 3")
    assert done.commands.cpu is None


def test_arguments_arrive_byte_for_byte():
    done = run_command(
        ["printf", "%s|", "a b", "'$x'\n", "é\udcff", ""], max_output_bytes=100, cancel=CancelToken()
    )
    assert done.stdout == "a b|'$x'\n|é|".encode().replace("é".encode(), "é".encode() + b"\xff") + b"|"


def test_folder_and_environment(tmp_path):
    done = sh('pwd; printf "%s" "$A"', cwd=str(tmp_path), env={"A": "x y", "PATH": os.environ["PATH"]})
    assert done.stdout.decode() == f"{tmp_path}\nx y"


def test_without_input_the_command_reads_the_end_at_once():
    assert sh("cat; echo done").stdout == b"done\n"


def test_much_input_and_output_at_once_do_not_block_each_other():
    text = os.urandom(MEGABYTE) * 8
    done = sh("cat", stdin=text, max_output_bytes=16 * MEGABYTE)
    assert done.stdout == text


def test_a_command_may_leave_its_input_unread():
    done = sh("exec <&-; echo early", stdin=b"x" * 4 * MEGABYTE)
    assert (done.stdout, done.exit_code) == (b"early\n", 0)


def test_a_command_may_close_its_output_and_go_on(tmp_path):
    done = sh('exec >&- 2>&-; cat > "$1"; sleep 0.1; exit 4', tmp_path / "in", stdin=b"y" * MEGABYTE)
    assert done.exit_code == 4
    assert (tmp_path / "in").stat().st_size == MEGABYTE


def test_death_by_signal():
    done = sh("kill -9 $$")
    assert (done.exit_code, done.signal) == (137, 9)


def test_what_does_not_start_raises():
    with pytest.raises(FileNotFoundError):
        run_command(["/no/such/thing"], max_output_bytes=1, cancel=CancelToken())
    with pytest.raises(ValueError, match="null byte"):
        run_command(["echo", "a\0b"], max_output_bytes=1, cancel=CancelToken())


def test_output_to_the_last_byte_of_the_limit_is_whole():
    done = sh("printf 12345; printf 12345 >&2", max_output_bytes=5)
    assert (done.stdout, done.stderr, done.truncated) == (b"12345", b"12345", False)
    done = sh("printf 123456", max_output_bytes=5)
    assert (done.stdout, done.truncated) == (b"12345", True)
    assert sh("printf 1", max_output_bytes=0).truncated


def test_a_flood_takes_no_memory_and_does_not_break_the_command():
    before = psutil.Process().memory_info().rss
    done = sh("yes | head -c 300M; echo end >&2")
    assert len(done.stdout) == MEGABYTE
    assert (done.truncated, done.exit_code, done.stderr) == (True, 0, b"end\n")
    assert psutil.Process().memory_info().rss - before < 50 * MEGABYTE


def test_a_flood_without_end_is_ended_by_the_timeout(given_time):
    before = psutil.Process().memory_info().rss

    def check(seconds):
        done = sh("yes", timeout=seconds)
        assert done.timed_out
        assert done.truncated

    given_time(check)
    assert psutil.Process().memory_info().rss - before < 50 * MEGABYTE


@posix
def test_no_open_file_is_inherited():
    here, there = os.pipe()
    try:
        os.set_inheritable(there, True)
        done = sh('ls /proc/self/fd; test -e "/proc/self/fd/$1" && echo inherited', there)
    finally:
        os.close(here)
        os.close(there)
    assert b"inherited" not in done.stdout


def test_the_timeout_ends_everything_in_the_group(tmp_path, is_gone, given_time):
    def check(seconds):
        done = sh('sleep 60 & echo $! > "$1"; sleep 60', tmp_path / "pid", timeout=seconds)
        assert done.timed_out
        assert not done.escaped
        assert is_gone(started(tmp_path / "pid"))

    given_time(check)


def test_the_timeout_reaches_a_background_process_whose_starter_has_ended(tmp_path, is_gone, given_time):
    def check(seconds):
        done = sh('sleep 60 & echo $! > "$1"; echo started', tmp_path / "pid", timeout=seconds)
        assert done.timed_out
        assert done.stdout == b"started\n"
        assert is_gone(started(tmp_path / "pid"))

    given_time(check)


def test_asking_comes_first_and_what_is_said_then_is_kept(monkeypatch, given_time):
    monkeypatch.setattr(groups, "GRACE_SECONDS", 20)

    def check(seconds):
        done = sh("trap 'echo bye; exit 7' TERM; sleep 60 & wait", timeout=seconds)
        assert done.timed_out
        assert (done.stdout, done.exit_code) == (b"bye\n", 7)

    given_time(check)


@pytest.mark.slow
def test_who_ignores_being_asked_is_killed(tmp_path, is_gone, given_time):
    script = (
        'trap "" TERM; (trap "" TERM; while :; do sleep 1; done) & echo $! > "$1"; while :; do sleep 1; done'
    )

    def check(seconds):
        done = sh(script, tmp_path / "pid", timeout=seconds)
        assert done.timed_out
        assert done.signal == 9
        assert is_gone(started(tmp_path / "pid"))

    given_time(check)


@pytest.mark.skipif(not shutil.which("setsid"), reason="needs the setsid command to leave the group")
@pytest.mark.slow
def test_who_left_the_group_is_not_waited_for_and_is_told_of(tmp_path, pid_in, is_gone, given_time):
    script = 'setsid sh -c \'echo $$ > "$1"; exec sleep 60\' sh "$1" & sleep 60'

    def check(seconds):
        done = sh(script, tmp_path / "pid", timeout=seconds)
        escaped = pid_in(tmp_path / "pid")
        (tmp_path / "pid").unlink()
        os.kill(escaped, 9)
        assert done.timed_out
        assert done.escaped
        assert is_gone(escaped)

    given_time(check)


def test_the_end_of_background_output_is_waited_for():
    done = sh("(sleep 0.2; echo late) & echo early")
    assert done.stdout == b"early\nlate\n"


def cancelled_once_started(path, pid_in):
    cancel = CancelToken()
    threading.Thread(target=lambda: pid_in(path) and cancel.cancel()).start()
    return cancel


def test_cancelling_asks_first_and_what_is_said_then_is_kept(tmp_path, pid_in):
    cancel = cancelled_once_started(tmp_path / "pid", pid_in)
    script = 'trap \'echo bye; echo > "$1".cleaned; exit 7\' TERM; sleep 60 & echo $$ > "$1"; wait'
    done = sh(script, tmp_path / "pid", cancel=cancel)
    assert (done.cancelled, done.timed_out, done.stdout, done.exit_code) == (True, False, b"bye\n", 7)
    assert (tmp_path / "pid.cleaned").exists()


@pytest.mark.parametrize("output", ["", ">/dev/null 2>&1"])
@pytest.mark.first_quick
def test_cancelling_kills_who_ignores_being_asked(tmp_path, pid_in, is_gone, output):
    cancel = cancelled_once_started(tmp_path / "pid", pid_in)
    script = f'trap "" TERM; sleep 60 {output} & echo $! > "$1"; exec sleep 60 {output}'
    done = sh(script, tmp_path / "pid", cancel=cancel)
    assert (done.cancelled, done.timed_out, done.signal) == (True, False, 9)
    assert is_gone(pid_in(tmp_path / "pid"))


def test_cancelling_leaves_nothing_in_the_background_of_a_command_that_ends_when_asked(
    tmp_path, pid_in, is_gone
):
    cancel = cancelled_once_started(tmp_path / "pid", pid_in)
    script = '(trap "" TERM; exec sleep 60 >/dev/null 2>&1) & sleep 0.2; echo $! > "$1"; exec sleep 60'
    assert sh(script, tmp_path / "pid", cancel=cancel).cancelled
    assert is_gone(pid_in(tmp_path / "pid"))


LEAVES_ITS_THREAD = """
import sys, threading, time
from pathlib import Path
from batchmill.concurrency.cancel import CancelToken
from batchmill.nodes.process import run_command

def run():
    script = 'trap "" TERM; echo $$ > "$1"; while :; do sleep 0.1; done'
    run_command(["sh", "-c", script, "sh", sys.argv[1]], max_output_bytes=9, cancel=CancelToken(), **how)

def main():
    threading.Thread(target=run, daemon=True).start()
    while not (Path(sys.argv[1]).exists() and Path(sys.argv[1]).read_text()):
        time.sleep(0.01)

how = {"timeout": 1.0} if "overdue" in sys.argv else {}
if "child" in sys.argv:
    import multiprocessing
    child = multiprocessing.get_context("fork").Process(target=main)
    child.start()
    child.join()
else:
    main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [["overdue"], ["running"], ["running", "child"]], ids=" ".join)
def test_the_end_of_the_process_ends_commands_whose_thread_was_left(tmp_path, pid_in, is_gone, how):
    command = [sys.executable, "-c", LEAVES_ITS_THREAD, str(tmp_path / "pid"), *how]
    subprocess.run(command, check=True, timeout=60)
    assert is_gone(pid_in(tmp_path / "pid"))


def test_a_token_that_is_cancelled_already_ends_the_command():
    cancel = CancelToken()
    cancel.cancel()
    assert sh("sleep 60", cancel=cancel).cancelled


def test_cancelling_after_the_end_does_nothing():
    cancel = CancelToken()
    assert not sh("true", cancel=cancel).cancelled
    cancel.cancel()


def test_an_interrupt_in_the_caller_ends_the_command(tmp_path, monkeypatch, pid_in, is_gone):
    served = process._Streams.serve

    def interrupted(self, seconds):
        if not getattr(self, "interrupted", False) and pid_in(tmp_path / "pid"):
            self.interrupted = True
            raise KeyboardInterrupt
        served(self, seconds)

    monkeypatch.setattr(process._Streams, "serve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sh('echo $$ > "$1"; sleep 60', tmp_path / "pid")
    assert is_gone(pid_in(tmp_path / "pid"))


@pytest.mark.parametrize(
    "missing", [["pidfd_open"], pytest.param(["pidfd_open", "waitid"], marks=pytest.mark.slow)]
)
def test_systems_that_have_less_to_wait_with(monkeypatch, missing, tmp_path, is_gone, given_time):
    for name in missing:
        monkeypatch.delattr(os, name, raising=False)
    for module in (process, groups):
        monkeypatch.setattr(module, "CAN_LOOK", hasattr(os, "waitid"))
    assert sh("exec >&- 2>&-; sleep 0.1; exit 5").exit_code == 5
    assert sh("exec >&- 2>&-; sleep 60", timeout=0.2).timed_out

    def check(seconds):
        done = sh('sleep 60 & echo $! > "$1"; sleep 60', tmp_path / "pid", timeout=seconds)
        assert done.timed_out
        assert is_gone(started(tmp_path / "pid"))

    given_time(check)


def test_many_commands_at_once_from_many_threads():
    wrong = []

    def work(number):
        for turn in range(5):
            done = sh('cat; echo "$1" >&2', number, stdin=f"{number}-{turn}".encode())
            if (done.stdout, done.stderr) != (f"{number}-{turn}".encode(), f"{number}\n".encode()):
                wrong.append(done)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.slow
def test_running_out_of_descriptors_is_an_error_and_leaves_nothing():
    code = """
import os, resource
from batchmill.concurrency.cancel import CancelToken
from batchmill.nodes.process import run_command
resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12))
held = []
try:
    while True: held.append(os.dup(0))
except OSError: pass
os.close(held.pop())
for spare in range(len(held)):
    try:
        done = run_command(["true"], max_output_bytes=9, cancel=CancelToken())
        print("ran", done.exit_code)
        break
    except OSError as error:
        print(error.errno)
        os.close(held.pop())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.split("\n")
    assert lines[0] == "24"
    assert "ran 0" in lines
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 12


MANY_AT_ONCE = """
import os, resource, sys, threading
from batchmill.concurrency.cancel import CancelToken
from batchmill.nodes import groups
from batchmill.nodes.process import run_command
resource.setrlimit(resource.RLIMIT_NOFILE, (48, 48))
if sys.argv[1] == "unforeseen":
    groups._most_at_once = lambda: 1000
held = [os.dup(0) for _ in range(int(sys.argv[2]))]
codes = []
def work():
    done = run_command(["sh", "-c", "sleep 0.1; echo x"], max_output_bytes=9, cancel=CancelToken())
    codes.append((done.exit_code, done.stdout))
threads = [threading.Thread(target=work) for _ in range(40)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(codes == [(0, b"x\\n")] * 40, codes)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [["foreseen", "0"], ["unforeseen", "0"], ["foreseen", "28"]], ids=" ".join)
def test_commands_wait_for_one_another_where_descriptors_are_few(how):
    command = [sys.executable, "-c", MANY_AT_ONCE, *how]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("True"), done.stdout + done.stderr


def test_who_waits_for_room_is_not_kept_from_its_end(monkeypatch):
    monkeypatch.setattr(groups, "_most_at_once", lambda: 0)
    assert sh("echo x", timeout=0.2).timed_out
    cancel = CancelToken()
    threading.Timer(0.2, cancel.cancel).start()
    assert sh("echo x", cancel=cancel).cancelled
