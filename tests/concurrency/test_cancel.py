"""The cancel token."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Callable

from batchmill.concurrency.cancel import CancelToken


def test_callbacks_run_once_in_the_thread_that_cancels() -> None:
    token = CancelToken()
    heard: list[int] = []
    token.on_cancel(lambda: heard.append(threading.get_ident()))
    assert not token.cancelled
    token.cancel()
    token.cancel()
    assert token.cancelled
    assert heard == [threading.get_ident()]


def test_those_within_are_cancelled_before_any_callback_runs() -> None:
    outer = CancelToken()
    inner = [CancelToken(outer) for _ in range(3)]
    heard: list[list[bool]] = []
    for token in inner:
        token.follow()
        token.on_cancel(lambda: heard.append([one.cancelled for one in inner]))
    inner[1].cancel()
    assert heard == [[False, True, False]]
    assert not outer.cancelled
    outer.cancel()
    assert heard[1:] == [[True] * 3] * 2


def test_one_within_several_follows_the_first_and_says_why() -> None:
    tokens = [CancelToken(), CancelToken()]
    with CancelToken(*tokens, None) as inner:
        tokens[1].cancel("told to")
        assert inner.wait(0)
        tokens[0].cancel("too late")
    assert inner.reason == "told to"


def test_one_that_has_left_is_not_kept_by_those_around_it() -> None:
    outer = CancelToken()
    heard: list[bool] = []
    inner = CancelToken(outer)
    inner.on_cancel(lambda: heard.append(True))
    with inner:
        pass
    gone = weakref.ref(inner)
    outer.cancel()
    assert inner.cancelled
    assert heard == []
    del inner
    gc.collect()
    assert gone() is None


def test_a_removed_callback_does_not_run() -> None:
    token = CancelToken()
    heard: list[str] = []
    remove = token.on_cancel(lambda: heard.append("removed"))
    token.on_cancel(lambda: heard.append("kept"))
    remove()
    remove()
    token.cancel()
    assert heard == ["kept"]


def test_a_late_callback_runs_at_once() -> None:
    token = CancelToken()
    token.cancel()
    heard: list[int] = []
    token.on_cancel(lambda: heard.append(1))()
    assert heard == [1]


def test_a_callback_may_use_the_token() -> None:
    token = CancelToken()
    heard: list[bool] = []
    token.on_cancel(lambda: heard.append(token.cancelled))
    token.on_cancel(lambda: token.on_cancel(lambda: heard.append(True))())
    token.cancel()
    assert heard == [True, True]


def test_waiting_ends_when_cancelled() -> None:
    token = CancelToken()
    assert not token.wait(0)
    threading.Timer(0.02, token.cancel).start()
    assert token.wait(10)


def test_every_callback_is_heard_exactly_once_whoever_comes_first() -> None:
    for _ in range(50):
        token = CancelToken()
        heard: list[int] = []
        start = threading.Barrier(5)

        def add(number: int, token: CancelToken, heard: list[int], start: threading.Barrier) -> None:
            start.wait()
            token.on_cancel(lambda: heard.append(number))

        def cancel(token: CancelToken, start: threading.Barrier) -> None:
            start.wait()
            token.cancel()

        jobs: list[tuple[Callable[..., None], tuple[object, ...]]] = [
            (add, (number, token, heard, start)) for number in range(4)
        ]
        threads = [threading.Thread(target=job, args=args) for job, args in [*jobs, (cancel, (token, start))]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(heard) == [0, 1, 2, 3]


def test_it_is_shared_by_copies_and_stays_behind_when_pickled() -> None:
    token = CancelToken()
    assert copy.deepcopy({"token": token})["token"] is token
    arrived = pickle.loads(pickle.dumps(token))
    token.cancel()
    assert not arrived.cancelled
