"""The code node."""

from __future__ import annotations

import threading
import time

import pytest

from batchmill.attempt import Attempt
from batchmill.concurrency.cancel import CancelToken
from batchmill.concurrency.chunk_scope import ChunkScope
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped, outputs_of
from batchmill.nodes import capture, program


def test_inputs_result_and_prints(run):
    code = "import sys\nn: int\nprint('to', n)\nprint('err', file=sys.stderr)\nresult: dict = {'n': n + 1}"
    result = run("code", code=code, inputs={"n": 3})
    assert result.outputs == {"result": {"n": 4}, "stdout": "to 3\n", "stderr": "err\n", "error": ""}
    assert result.action == "default"


class _Refused:
    """A lock that nobody gets."""

    def __enter__(self):
        raise AssertionError("a lock of the process was taken")

    def __exit__(self, *error):
        """Never called."""


def test_of_a_chunk_only_the_first_item_takes_locks_of_the_process(run, monkeypatch):
    """With them at every item, ten threads stand in line: five times the CPU time of one."""
    code = "print(n)\nresult = n"
    with ChunkScope():
        run("code", code=code, inputs={"n": 0})
        with monkeypatch.context() as refused:
            refused.setattr(capture._installation, "_lock", _Refused())
            refused.setattr(program._programs, "_lock", _Refused())
            outputs = run("code", code=code, inputs={"n": 1}).outputs
    assert (outputs["result"], outputs["stdout"]) == (1, "1\n")


def test_next_is_the_action(run):
    assert run("code", code="next = 'small'").action == "small"


def test_params_of_other_programs_are_taken(run):
    assert run("code", code="result = 1", requires=["numpy"]).outputs["result"] == 1


def test_what_an_item_prints_stays_with_it_with_thirty_two_at_once(run, capsys):
    code = "import time\nfor k in range(20):\n    print(n, k)\n    time.sleep(0.0005)\nresult = n"
    done = {}
    threads = [
        threading.Thread(target=lambda n=n: done.update({n: run("code", code=code, inputs={"n": n}).outputs}))
        for n in range(32)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {n: outputs["stdout"] for n, outputs in done.items()} == {
        n: "".join(f"{n} {k}\n" for k in range(20)) for n in range(32)
    }
    assert capsys.readouterr() == ("", "")


def test_what_it_raises_comes_out(run):
    with pytest.raises(KeyError, match="gone"):
        run("code", code="raise KeyError('gone')")


def test_what_can_be_seen_before_it_runs(check):
    assert check("code", code="result = 1", inputs={"a": 1, "é": 2}) == []
    assert check("code", code="result = (", inputs="${all}")[0][0] == "code"
    faults = check("code", code="result = 1", inputs={"a-b": 1, "class": 2, "next": 3})
    assert [param for param, _ in faults] == ["inputs"] * 3


def test_inputs_have_names(run):
    with pytest.raises(InvalidParams, match="'inputs' must be an object"):
        run("code", code="", inputs=[1])


def test_code_that_does_not_end_is_left_behind(run):
    stop = threading.Event()
    with pytest.raises(AttemptTimeout, match=r"did not end within 0\.1 s"):
        run("code", code="while not stop.wait(0.01): pass", inputs={"stop": stop}, timeout=0.1)
    stop.set()


def test_within_the_timeout_all_is_as_without(run):
    result = run("code", code="print('p')\nresult = x\nnext = 'n'", inputs={"x": 1}, timeout=20)
    assert (result.outputs["result"], result.outputs["stdout"], result.action) == (1, "p\n", "n")
    with pytest.raises(ZeroDivisionError):
        run("code", code="1/0", timeout=20)
    with pytest.raises(NodeError, match=r"sys\.exit"):
        run("code", code="import sys; sys.exit(1)", timeout=20)


PRINTS = "import sys\nprint('out')\nprint('err', file=sys.stderr)\n"


@pytest.mark.parametrize("timeout", [None, 20])
@pytest.mark.parametrize(
    ("end", "kind"),
    [
        ("1/0", ZeroDivisionError),
        ("sys.exit('bye')", NodeError),
        ("raise KeyboardInterrupt", KeyboardInterrupt),
    ],
)
def test_what_failing_code_printed_is_told(run, end, kind, timeout):
    with pytest.raises(kind) as caught:
        run("code", code=PRINTS + end, timeout=timeout)
    told = outputs_of(caught.value)
    assert (told["stdout"], told["stderr"]) == ("out\n", "err\n")


def test_so_is_what_was_printed_until_the_timeout(run, given_time):
    stop = threading.Event()
    code = "print('p')\nwhile not stop.wait(0.01): pass"

    def check(seconds):
        with pytest.raises(AttemptTimeout) as caught:
            run("code", code=code, inputs={"stop": stop}, timeout=seconds)
        assert outputs_of(caught.value)["stdout"] == "p\n"

    given_time(check)
    stop.set()


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("async def f(n): print('p'); return n\nresult = f(3)", 3),
        ("def g():\n  yield 1\nresult = g()", [1]),
        ("async def g():\n  yield 1\nresult = g()", [1]),
        ("result = map(str, [1])", ["1"]),
    ],
)
def test_a_promised_result_is_waited_for(run, code, value):
    assert run("code", code=code).outputs["result"] == value


def test_what_a_coroutine_prints_is_the_codes_own(run):
    outputs = run("code", code="async def f(): print('p')\nresult = f()").outputs
    assert outputs["stdout"] == "p\n"


def test_promises_within_the_result_are_refused(run):
    with pytest.raises(TypeError, match=r"result\[0\] is a coroutine, which has not run yet: await it"):
        run("code", code="async def f(n): return n\nresult = [f(1), f(2)]")


def test_the_deadline_of_the_attempt_counts_too(run):
    stop = threading.Event()
    attempt = Attempt(deadline=time.monotonic() + 0.1)
    with pytest.raises(AttemptTimeout):
        run("code", code="stop.wait(30)", inputs={"stop": stop}, timeout=30, attempt=attempt)
    stop.set()


def test_a_cancelled_run_does_not_wait(run):
    stop, cancel = threading.Event(), CancelToken()
    threading.Timer(0.1, cancel.cancel).start()
    with pytest.raises(Stopped, match="cancelled"):
        run("code", code="stop.wait(30)", inputs={"stop": stop}, timeout=30, attempt=Attempt(cancel=cancel))
    stop.set()


def test_what_was_printed_and_cannot_be_given_as_it_was_fails_the_node(run):
    with pytest.raises(NodeError, match="more than 10,485,760 characters were printed"):
        run("code", code="print('x' * (10 * 1024 * 1024))")
    with pytest.raises(NodeError, match="byte 0xff at offset 1") as caught:
        run("code", code="import sys\nsys.stdout.buffer.write(b'a\\xff')")
    assert caught.value.outputs["stdout"] == r"a\xff"
    with pytest.raises(NodeError, match="characters were printed"):
        run("python", function="builtins:print", args=["x" * (10 * 1024 * 1024)])
