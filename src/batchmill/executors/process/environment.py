"""The environment that a process gives its items, as the parent had it when the batch began.

Worker processes are kept for later batches, and items change things: folder, environment variables, module
path, locale, signal handlers, output streams, warning filters and other state of a process. A worker enters a
batch's environment before its first item and restores it after each item that changed it.
"""

from __future__ import annotations

# signal.getsignal without its enums: 0.02 µs in place of 0.8, six times per item; likewise locale.setlocale
import _locale
import _signal  # type: ignore[import-not-found]  # typeshed has stubs of the public module only
import locale
import os
import pickle
import shutil
import signal
import sys
import warnings
from collections.abc import Callable
from contextvars import Context
from typing import Any

from batchmill.executors.pickling import pickler
from batchmill.executors.process import traces
from batchmill.executors.process.interpreter import Entered, InterpreterState
from batchmill.executors.process.logs import LogMirror

HANDLED = tuple(
    int(getattr(signal, name))
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)

LIBRARY_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
"""From which numerical libraries take, when they are loaded, how many threads to compute with: by default one
for each core, of which n processes would start n times as many as there are."""

_last: tuple[tuple[Any, ...], bytes] | None = None


class ProcessEnvironment:
    """A snapshot of this process, made in the parent and pickled to workers.

    ``seals``: results pass through a process in between, which may not have the modules of their classes.
    ``elsewhere``: the parent is another machine, whose folders mean nothing here. ``apart``: this machine
    does not have the folder of the run either; each process makes an empty one of its own below ``folder``,
    and no item may leave files there, where they would be lost.
    """

    def __init__(
        self,
        folder: str,
        environment: dict[str, str],
        path: list[str],
        languages: str,
        interpreter: InterpreterState,
    ) -> None:
        self.folder = folder
        self.environment = environment
        self.path = path
        self.languages = languages
        self.interpreter = interpreter
        self.seals = self.elsewhere = self.apart = False
        self._entered: Entered | None = None
        self._handlers: tuple[tuple[int, Any], ...] = ()
        self._raw: dict[Any, Any] = {}
        self._working: str | None = None
        self._streams: tuple[Any, Any] = (None, None)
        self._as_entered: tuple[Any, ...] = ()
        self.touched: Callable[[], bool] = _perhaps
        """Whether an item of less than :func:`~batchmill.executors.process.traces.brief_seconds` changed
        anything."""

    @staticmethod
    def packed(n_library_threads: int) -> bytes:
        """The present environment of this process as a pickle, remade only after a change. Numerical
        libraries may start so many threads, unless the environment sets a number."""
        global _last
        now = (
            _folder(),
            dict(_raw_environment()),
            list(sys.path),
            locale.setlocale(locale.LC_ALL),
            InterpreterState.here(_dumps),
            n_library_threads,
        )
        last = _last  # one tuple, replaced as a whole: whichever thread's it is, it is right for its key
        if last is None or last[0] != now:
            folder, _, path, languages, interpreter, _ = now
            environment = {**dict.fromkeys(LIBRARY_THREADS, str(n_library_threads)), **os.environ}
            here = ProcessEnvironment(folder, environment, path, languages, interpreter)
            _last = last = now, pickle.dumps(here, 5)
        return last[1]

    @staticmethod
    def packed_without_environment() -> bytes:
        """The same for workers that have an environment of their own: this process's variables, with the
        secrets in them, stay here."""
        here: ProcessEnvironment = pickle.loads(ProcessEnvironment.packed(1))  # noqa: S301  # made right here
        here.environment = {}
        return pickle.dumps(here, 5)

    def __getstate__(self) -> dict[str, Any]:
        outside: dict[str, Any] = {"_handlers": (), "_raw": {}, "_working": None, "_streams": (None, None)}
        return {**self.__dict__, **outside, "_entered": None, "_as_entered": (), "touched": _perhaps}

    def enter(self, mirror: LogMirror) -> None:
        """Apply it to this process; ``mirror`` sets up its logging."""
        mirror.plain = self.seals
        self._restore_environment()
        if self.apart and not self.folder.endswith(f"{os.sep}{os.getpid()}"):
            self.folder = os.path.join(self.folder, str(os.getpid()))
            os.makedirs(self.folder, 0o700, exist_ok=True)
        self._restore_folder()
        sys.path[:] = self.path
        self._set_locale()
        self._handlers = tuple((number, _signal.getsignal(number)) for number in HANDLED)
        self._raw = dict(_raw_environment())
        self._working = _folder()
        self._streams = _open_stream(sys.stdout, 1), _open_stream(sys.stderr, 2)
        self._entered = self.interpreter.enter(mirror, pickler.loads)
        settings = list(warnings.filters), self.interpreter.recursion_limit
        self._as_entered = self._raw, self.path, self.languages, *settings
        self.touched = traces.look(self.path, settings[0], self._streams)

    def context(self) -> Context:
        """The context to run some items in."""
        return Context() if self._entered is None else self._entered.context()

    def restore(self) -> None:
        """Undo what an item changed. Costs about 2.5 µs when that is nothing."""
        # This follows each item, so all is looked at right here: functions would cost as much again.
        variables = getattr(os.environ, "_data", None) or dict(os.environ)
        languages, limit = _locale.setlocale(_locale.LC_ALL), sys.getrecursionlimit()
        out, err = self._streams
        if (
            (variables, sys.path, languages, warnings.filters, limit) == self._as_entered
            and sys.stdout is out
            and sys.stderr is err
            and not out.closed
            and not err.closed
            and _folder() == self._working
            and self._handles_as_entered()
        ):
            traces.forget()
            return
        self._undo()
        self.touched = traces.look(self.path, self._as_entered[3], self._streams)

    def _handles_as_entered(self) -> bool:
        return all(_signal.getsignal(number) is handler for number, handler in self._handlers)

    def _undo(self) -> None:
        if _folder() != self._working:
            self._restore_folder()
        os.environ = traces.ENVIRON  # noqa: B003  # an item may have put another there
        if _raw_environment() != self._raw:
            self._restore_environment()
        if sys.path != self.path:
            sys.path[:] = self.path
        self._set_locale()
        self._restore_streams()
        if self._entered is not None:
            self._entered.restore()
        for number, handler in self._handlers:
            if _signal.getsignal(number) is not handler:
                self._restore_handler(number, handler)

    def left_behind(self) -> list[str]:
        """The names of files that items left in a folder where they would be lost; removes them."""
        if not self.apart:
            return []
        names = sorted(os.listdir(self.folder))
        for name in names:
            path = os.path.join(self.folder, name)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
        return names

    def _restore_streams(self) -> None:
        out, err = self._streams
        if sys.stdout is not out or sys.stderr is not err or out.closed or err.closed:
            sys.stdout, sys.stderr = self._streams = _open_stream(out, 1), _open_stream(err, 2)

    def _restore_handler(self, number: int, handler: Any) -> None:
        if number == getattr(signal, "SIGALRM", None):
            signal.alarm(0)  # one that is still to come would meet the next item
        if handler is not None:  # None is a handler that was not set from Python
            signal.signal(number, handler)

    def _restore_folder(self) -> None:
        try:
            os.chdir(self.folder)
        except OSError:  # gone: an item that needs it will say so
            pass

    def _restore_environment(self) -> None:
        for name in set(os.environ) - set(self.environment):
            del os.environ[name]
        for name, value in self.environment.items():
            if os.environ.get(name) != value:
                os.environ[name] = value

    def _set_locale(self) -> None:
        if _locale.setlocale(_locale.LC_ALL) != self.languages:
            locale.setlocale(locale.LC_ALL, self.languages)


def _dumps(value: Any) -> bytes:
    return bytes(pickler.dumps(value, [], in_band=True))


def _open_stream(stream: Any, number: int) -> Any:
    """The stream itself, or a new one on its descriptor where an item closed it."""
    if stream is not None and not stream.closed:
        return stream
    return open(number, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _perhaps() -> bool:
    """Of an environment that was not entered."""
    return True


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # removed under us
        return os.sep


def _raw_environment() -> dict[Any, Any]:
    """``os.environ`` as bytes: comparing this costs a tenth of comparing the decoded mapping."""
    raw: dict[Any, Any] = getattr(os.environ, "_data", None) or dict(os.environ)
    return raw
