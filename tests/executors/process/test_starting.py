"""The interpreter of a worker that waits to be told what to do."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

from batchmill.executors.process import starting


def ended(pid: int) -> int:
    """The exit code of a child, once it has ended."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_it_ends_when_it_is_not_needed() -> None:
    new = starting.started()
    new.channel.close()
    assert ended(new.pid) == 0


def test_it_ends_when_its_parent_is_cut_short() -> None:
    new = starting.started()
    with new.channel:
        new.channel.send(b"\0\0")
    assert ended(new.pid) == 0


def test_it_ends_with_its_parent_though_another_process_holds_the_channel() -> None:
    code = """
        import os
        from batchmill.executors.process.starting import started
        new = started()
        if os.fork():
            print(new.pid, flush=True)
            os._exit(0)
        os.read(0, 1)  # the copy of the channel is here
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        pid = int(parent.stdout.readline())
        parent.wait(60)
        gone = threading.Event()
        for _ in range(600):
            if not _runs(pid):
                break
            gone.wait(0.1)
        assert not _runs(pid)
        parent.stdin.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_imports_from_where_its_parent_does() -> None:
    """Packages may be found only by a path that the program itself set."""
    code = f"""
        import sys
        sys.path[:0] = {[one for one in sys.path if one]!r}
        import batchmill
        print(*batchmill.map(abs, [-1], executor="process"))
    """
    done = subprocess.run(
        [sys.executable, "-S", "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.split(), done.returncode) == (["1"], 0), done.stderr


def test_the_one_started_ahead_is_the_next() -> None:
    starting.start_ahead()
    ahead = starting._ahead
    assert ahead is not None
    starting.start_ahead()
    assert starting._ahead is ahead
    assert starting.started() is ahead
    assert starting._ahead is None
    ahead.channel.close()
    assert ended(ahead.pid) == 0


def test_a_forked_process_leaves_its_parents_alone() -> None:
    starting.start_ahead()
    ahead = starting._ahead
    assert ahead is not None
    starting._ahead = ahead._replace(parent=os.getppid())
    new = starting.started()
    assert new.pid != ahead.pid
    new.channel.close()
    assert ended(new.pid) == ended(ahead.pid) == 0  # the channel was closed here


def test_only_the_main_thread_starts_one_ahead() -> None:
    thread = threading.Thread(target=starting.start_ahead)
    thread.start()
    thread.join()
    assert starting._ahead is None
