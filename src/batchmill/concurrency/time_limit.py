"""Python code with a time limit: it runs beside the caller, and is abandoned when its time is over."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import TypeVar

from batchmill.concurrency.cancel import CancelToken
from batchmill.errors import AttemptTimeout, Stopped

T = TypeVar("T")


class _Call:
    """A running call; ``done`` is set when it has ended, or when its caller stops waiting."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.function = function
        self.done = threading.Event()
        self.value: object = None
        self.error: BaseException | None = None
        self.ended = False

    def run(self) -> None:
        try:
            self.value = self.function()
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits
            self.error = error
        self.ended = True
        self.done.set()


def run_limited(
    function: Callable[[], T], seconds: float | None, cancel: CancelToken, given: float | None = None
) -> T:
    """Run ``function`` in a thread with a copy of this one's context variables; returns its result or raises
    its exception.

    Raises :class:`~batchmill.errors.AttemptTimeout` after ``seconds``; its message names the ``given`` limit
    if that is another number. The thread is then abandoned, a daemon that does not keep the process alive. A
    cancelled run abandons it too.
    """
    call = _Call(function)
    inside = contextvars.copy_context()
    threading.Thread(target=inside.run, args=(call.run,), name="batchmill-code", daemon=True).start()
    forget = cancel.on_cancel(call.done.set)
    try:
        call.done.wait(seconds)
    finally:
        forget()
    if not call.ended:
        if cancel.cancelled:
            raise Stopped("the run was cancelled")
        raise AttemptTimeout(f"the code did not end within {seconds if given is None else given:g} s")
    if call.error is not None:
        raise call.error
    return call.value  # type: ignore[return-value]  # set by the thread from this very function
