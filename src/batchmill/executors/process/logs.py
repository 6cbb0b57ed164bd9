"""Logging in worker processes: set up as in the parent, whose handlers get every record.

    worker: Logger -> Forwarder -> Outbox --pipe--> receiver thread: Logger.handle of the same name

The forwarder is in every place where the parent has handlers, and replaces the handler of last resort. So
code that checks whether logging is set up gets the same answer on both sides, and code that sets it up in the
worker anyway has its handlers there.
"""

from __future__ import annotations

import logging
import os
import pickle
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

Send = Callable[[bytes], None]

_SENT = "_batchmill_sent"
_PLAIN = (int, float, str, bool, type(None))
_MESSAGE = ("msg", "args")  # the attributes that a record's message is made of


class Logged(NamedTuple):
    """A message of a worker between replies: a log record as its attributes. ``record`` has those that are
    text and numbers, ``others`` the name, the pickle and the text of each that is not. The pickles are the
    user's objects: only :func:`handle` unpickles them, which can do without. ``message`` is the text of the
    message where that is among them."""

    record: dict[str, Any]
    others: tuple[tuple[str, bytes, str], ...] = ()
    message: str = ""

    def attributes(self) -> dict[str, Any]:
        """The attributes, as text where an object does not unpickle in this process."""
        found, as_text = dict(self.record), False
        for name, pickled, text in self.others:
            try:
                found[name] = pickle.loads(pickled)  # noqa: S301  # from our own worker
            except Exception:  # noqa: BLE001  # whatever the object's own code raises, or the pickle is missing
                found[name] = text
                as_text = as_text or name in _MESSAGE
        if as_text:
            found.update(msg=self.message, args=None)
        return found


class LoggerState(NamedTuple):
    """The setup of one logger; ``handled`` says that it has handlers of its own."""

    name: str
    level: int
    propagates: bool
    disabled: bool
    handled: bool


@dataclass(frozen=True, slots=True)
class LogState:
    """The logging setup of a process: the loggers that differ from new ones."""

    root_level: int = logging.WARNING
    root_handled: bool = False
    disabled_below: int = 0
    takes_warnings: bool = False
    loggers: tuple[LoggerState, ...] = ()

    @classmethod
    def here(cls) -> LogState:
        """As it is now."""
        root = logging.getLogger()
        found = (_state_of(logger) for logger in list(root.manager.loggerDict.values()))
        return cls(
            root.level,
            bool(root.handlers),
            root.manager.disable,
            getattr(warnings.showwarning, "__module__", "") == "logging",
            tuple(state for state in found if state is not None),
        )


def _state_of(logger: logging.Logger | logging.PlaceHolder) -> LoggerState | None:
    if not isinstance(logger, logging.Logger):
        return None
    if logger.level == logging.NOTSET and logger.propagate and not (logger.disabled or logger.handlers):
        return None  # as of nearly all: a program has hundreds
    return LoggerState(logger.name, logger.level, logger.propagate, logger.disabled, bool(logger.handlers))


class Forwarder(logging.Handler):
    """Sends each record to the parent once, even if several loggers have it.

    Concurrency: a logging handler; any thread may call ``send``.
    """

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self.plain = False  # whether records hold nothing but text and numbers
        self._owner = os.getpid()
        self._elsewhere = logging.lastResort

    def emit(self, record: logging.LogRecord) -> None:
        if os.getpid() != self._owner:  # in a process that an item forked: the pipe is not its own
            if self._elsewhere is not None and record.levelno >= self._elsewhere.level:
                self._elsewhere.handle(record)
            return
        if not record.__dict__.setdefault(_SENT, False):
            record.__dict__[_SENT] = True
            try:
                packed = _packed(record, self.plain)
            except Exception:  # noqa: BLE001  # a message that does not go with its arguments, say
                self.handleError(record)
                return
            try:
                self._send(packed)
            except OSError:  # the parent is gone, and so are we in a moment
                pass


def _packed(record: logging.LogRecord, plain: bool = False) -> bytes:
    """A record in its travelling form: exceptions as text, arguments and extras as far as they can be pickled
    or, with ``plain``, as text."""
    fields = {name: value for name, value in record.__dict__.items() if name != _SENT}
    if record.exc_info:
        fields["exc_text"] = record.exc_text or logging.Formatter().formatException(record.exc_info)
        fields["exc_info"] = None
    if plain:
        fields.update(msg=record.getMessage(), args=None)
        fields = {name: value if type(value) in _PLAIN else repr(value) for name, value in fields.items()}
    others = {name: value for name, value in fields.items() if not _is_plain(value)}
    if not others:
        return pickle.dumps(Logged(fields), 5)
    found = {name: value for name, value in fields.items() if name not in others}
    message = record.getMessage() if others.keys() & set(_MESSAGE) else ""
    portable = tuple((name, _pickled(value), repr(value)) for name, value in others.items())
    return pickle.dumps(Logged(found, portable, message), 5)


def _is_plain(value: Any) -> bool:
    return type(value) in _PLAIN or (type(value) is tuple and all(type(one) in _PLAIN for one in value))


def _pickled(value: Any) -> bytes:
    """Its pickle; empty, which is none, where there can be none."""
    try:
        return pickle.dumps(value, 5)
    except Exception:  # noqa: BLE001  # whatever pickling the user's value raises
        return b""


class LogMirror:
    """Sets up logging in this process from the parent's states. Used by the main thread of a worker."""

    @property
    def plain(self) -> bool:
        """Whether records travel only as text and numbers, because some readers do not know the user's
        classes."""
        return self._forwarder.plain

    @plain.setter
    def plain(self, plain: bool) -> None:
        self._forwarder.plain = plain

    def __init__(self, send: Send) -> None:
        self._forwarder = Forwarder(send)
        self._set: set[str] = set()
        logging.lastResort = self._forwarder

    def enter(self, state: LogState) -> None:
        """Make it so; what an earlier state set and this one does not is as new."""
        root = logging.getLogger()
        root.setLevel(state.root_level)
        self._handled(root, state.root_handled)
        logging.disable(state.disabled_below)
        logging.captureWarnings(state.takes_warnings)
        names = {one.name for one in state.loggers}
        for name in self._set - names:
            self._apply(LoggerState(name, logging.NOTSET, True, False, False))
        for one in state.loggers:
            self._apply(one)
        self._set = names

    def _apply(self, state: LoggerState) -> None:
        logger = logging.getLogger(state.name)
        logger.setLevel(state.level)
        logger.propagate, logger.disabled = state.propagates, state.disabled
        self._handled(logger, state.handled)

    def _handled(self, logger: logging.Logger, wanted: bool) -> None:
        if wanted:
            logger.addHandler(self._forwarder)  # once, however often it is called
        else:
            logger.removeHandler(self._forwarder)


def handle(logged: Logged) -> None:
    """In the parent: what a worker logged, as if it had been logged here."""
    try:
        record = logging.makeLogRecord(logged.attributes())
        logging.getLogger(record.name).handle(record)
    except Exception:  # noqa: BLE001  # a filter of the user's: as logging does it with handlers
        if logging.raiseExceptions:
            traceback.print_exc()
