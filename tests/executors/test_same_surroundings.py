"""What a program sets for its whole process holds for its items on every executor."""

from __future__ import annotations

import contextlib
import decimal
import logging
import os
import sys
import threading
import warnings

import pytest

import batchmill
from batchmill.executors.process.environment import LIBRARY_THREADS

EXECUTORS = ["sequential", "thread", "process", "auto"]


class Odd(UserWarning):
    """A category of a module that workers may not import."""


def on(executor, function, items=(0,), **settings):
    return batchmill.map(function, items, executor=executor, error_handling="continue", **settings)


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("category", [UserWarning, Odd])
def test_filters_of_warnings(executor, category):
    def warns(n):
        warnings.warn("old", category, stacklevel=2)
        warnings.warn("new", DeprecationWarning, stacklevel=2)
        return n

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "ol", category)
        failed = on(executor, warns)
    assert [error["type"] for error in failed.errors] == [category.__name__]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(on(executor, warns)) == [0]


def test_what_an_item_does_to_filters_is_gone_with_it():
    def careless(n):
        if n == 0:
            warnings.simplefilter("error")
            sys.setrecursionlimit(5000)
        warnings.warn("never mind", stacklevel=2)
        return sys.getrecursionlimit()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = on("process", careless, [0, 1], max_concurrent=1, chunk_size=2)
    assert [error["index"] for error in done.errors] == [0]
    assert done[1] == sys.getrecursionlimit()


class Collects(logging.Handler):
    def __init__(self):
        super().__init__()
        self.seen = []

    def emit(self, record):
        self.seen.append(record)


@contextlib.contextmanager
def logger(name, level, *, propagate=True):
    log, handler = logging.getLogger(name), Collects()
    log.addHandler(handler)
    log.setLevel(level)
    log.propagate = propagate
    try:
        yield handler.seen
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
        log.propagate = True


def logs(n):
    log = logging.getLogger("mine.app")
    log.debug("no")
    log.info("working on %s", n, extra={"row": n})
    try:
        raise KeyError("why")
    except KeyError:
        log.exception("lost")
    return log.getEffectiveLevel(), log.isEnabledFor(logging.DEBUG), log.hasHandlers()


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("name", ["mine", "mine.app"])
def test_levels_and_records(executor, name):
    with logger(name, logging.INFO, propagate=False) as seen:
        done = on(executor, logs, [7])
    assert list(done) == [(logging.INFO, False, True)]
    info, error = seen
    assert (info.name, info.getMessage(), info.row, info.args) == ("mine.app", "working on 7", 7, (7,))
    assert (info.process == os.getpid()) is (executor != "process")
    assert "KeyError: 'why'" in logging.Formatter().format(error)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_record_comes_once_to_each_handler(executor):
    with logger("mine", logging.INFO, propagate=False) as above, logger("mine.app", logging.INFO) as own:
        on(executor, logs, [7])
    assert (len(above), len(own)) == (2, 2)


def test_settings_that_are_gone_are_gone_over_there():
    def how(n):
        log = logging.getLogger("mine.app")
        return log.level, log.propagate, log.disabled, bool(log.handlers), logging.root.manager.disable

    log = logging.getLogger("mine.app")
    with logger("mine.app", logging.ERROR, propagate=False):
        log.disabled = True
        logging.disable(logging.DEBUG)
        assert list(on("process", how)) == [(logging.ERROR, False, True, True, logging.DEBUG)]
        log.disabled = False
        logging.disable(logging.NOTSET)
    assert list(on("process", how)) == [(logging.NOTSET, True, False, False, logging.NOTSET)]


def test_values_that_cannot_travel_come_as_text():
    def logs_a_lock(n):
        lock = threading.Lock()
        logging.getLogger("mine").warning("holds %s", lock, extra={"lock": lock, "n": n})
        return n

    with logger("mine", logging.INFO, propagate=False) as seen:
        assert list(on("process", logs_a_lock)) == [0]
    (record,) = seen
    assert record.getMessage().startswith("holds <unlocked _thread.lock object")
    assert record.lock.startswith("<unlocked _thread.lock object")
    assert record.n == 0


class Failed(Exception):
    """Like many: it pickles, and does not unpickle."""

    def __init__(self, code, reason):
        super().__init__(f"{code}: {reason}")


def test_values_that_do_not_unpickle_come_as_text():
    def logs_a_failure(n):
        fault = Failed(7, "no")
        logging.getLogger("mine").warning("lost to %s", fault, extra={"fault": fault, "parts": [n]})
        return n

    with logger("mine", logging.INFO, propagate=False) as seen:
        assert list(on("process", logs_a_failure)) == [0]
    (record,) = seen
    assert record.getMessage() == "lost to 7: no"
    assert (record.fault, record.parts) == ("Failed('7: no')", [0])


def test_a_message_that_does_not_go_with_its_arguments_is_no_error_of_the_item():
    def logs_badly(n):
        logging.getLogger("mine").warning("%d", [n])
        return n

    with logger("mine", logging.INFO, propagate=False) as seen:
        assert list(on("process", logs_badly)) == [0]
    assert seen == []


def test_records_come_before_the_results_and_from_threads_too():
    def logs_much(n):
        log = logging.getLogger("mine")
        threads = [threading.Thread(target=log.info, args=("thread %s", n)) for _ in range(4)]
        for thread in threads:
            thread.start()
        log.info("x" * 100_000)
        for thread in threads:
            thread.join()
        return n

    with logger("mine", logging.INFO, propagate=False) as seen:
        for value in batchmill.imap(logs_much, range(20), executor="process", max_concurrent=2):
            messages = [record.getMessage() for record in list(seen)]
            assert messages.count(f"thread {value}") == 4


def test_a_filter_that_raises_harms_nothing(capsys):
    def raises(record):
        raise RuntimeError("a filter of mine")

    log = logging.getLogger("mine")
    log.addFilter(raises)
    try:
        with logger("mine", logging.INFO, propagate=False):
            assert list(on("process", lambda n: log.info("x"))) == [None]
    finally:
        log.removeFilter(raises)
    assert "a filter of mine" in capsys.readouterr().err


def test_a_process_that_an_item_forks_does_not_write_into_our_pipe():
    def forks(n):
        child = os.fork()
        if not child:
            logging.getLogger("mine").info("from a grandchild")
            os._exit(0)
        os.waitpid(child, 0)
        return n

    with logger("mine", logging.INFO, propagate=False) as seen, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
        assert list(on("process", forks, range(3))) == [0, 1, 2]
    assert not seen


def test_warnings_that_go_to_the_log_do_so_over_there():
    def warns(n):
        warnings.warn("to the log", stacklevel=1)
        return n

    with logger("py.warnings", logging.INFO, propagate=False) as seen, warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        try:
            on("process", warns)
        finally:
            logging.captureWarnings(False)
    assert "to the log" in seen[0].getMessage()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_precision_recursion_and_digits(executor):
    def look(n):
        return str(decimal.Decimal(1) / 7), sys.getrecursionlimit(), sys.get_int_max_str_digits()

    limits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    with decimal.localcontext() as context:
        context.prec = 5
        sys.setrecursionlimit(limits[0] + 111)
        sys.set_int_max_str_digits(5000)
        try:
            done = on(executor, look)
        finally:
            sys.setrecursionlimit(limits[0])
            sys.set_int_max_str_digits(limits[1])
    assert list(done) == [("0.14286", limits[0] + 111, 5000)]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_floating_point_errors_of_numpy(executor):
    numpy = pytest.importorskip("numpy", minversion="2")

    def divides(n):
        return (numpy.array([1.0]) / numpy.array([float(n)])).tolist()

    with numpy.errstate(divide="raise"):
        done = on(executor, divides, [0, 1])
    assert [error["type"] for error in done.errors] == ["FloatingPointError"]
    with numpy.errstate(divide="ignore"):
        assert on(executor, divides, [0])[0] == [float("inf")]


ENDS = {
    "exit": lambda: sys.exit("bye"),
    "exit code": lambda: sys.exit(3),
    "interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt("mine")),
}


def ends(name):
    ENDS[name]()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_what_would_end_a_program_is_an_items_error(executor):
    done = on(executor, ends, list(ENDS), max_concurrent=1)
    assert [(error["type"], error["message"], error["kind"]) for error in done.errors] == [
        ("SystemExit", "bye", "exception"),
        ("SystemExit", "3", "exception"),
        ("KeyboardInterrupt", "mine", "exception"),
    ]


def library_threads(_):
    return {name: os.environ.get(name) for name in LIBRARY_THREADS}


def test_workers_share_the_cores_among_the_threads_of_numerical_libraries(monkeypatch):
    for name in LIBRARY_THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("batchmill.executors.process.packed_job.usable_cores", lambda: 6)
    for workers, threads in ((2, "3"), (4, "1"), (1, "6")):
        (seen,) = on("process", library_threads, max_concurrent=workers)
        assert seen == dict.fromkeys(LIBRARY_THREADS, threads)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    (seen,) = on("process", library_threads, max_concurrent=2)
    assert (seen["OMP_NUM_THREADS"], seen["MKL_NUM_THREADS"]) == ("5", "3")
    assert "MKL_NUM_THREADS" not in os.environ
