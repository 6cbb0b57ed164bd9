"""The exit codes of the command, and which error leads to which."""

from __future__ import annotations

from enum import IntEnum

from batchmill.errors import (
    BatchmillError,
    BenchFailed,
    BrokenNodeType,
    ClusterLost,
    ExecutorUnavailable,
    Interrupted,
    InvalidDocument,
    InvalidSetting,
    MissingExtra,
    RunLocked,
    StorageError,
    TemplateError,
    UnknownNodeType,
    UnknownRun,
)

SIGNAL_BASE = 128  # a shell reports a command ended by signal n as 128 + n


class Exit(IntEnum):
    """The exit codes of the command."""

    SUCCESS = 0
    FAILED = 1
    INVALID = 2  # usage or invalid document: nothing ran
    DEGRADED = 3
    LIMIT = 4  # stopped by a limit of its own; can be resumed
    ENVIRONMENT = 5  # storage or environment
    WAITING = 6  # nothing is wrong: a service answers later, and the run is to be resumed then
    LOCKED = 75  # the run is being run by another process (EX_TEMPFAIL of sysexits.h)


OF_STATUS = {
    "success": Exit.SUCCESS,
    "degraded": Exit.DEGRADED,
    "failed": Exit.FAILED,
    "waiting": Exit.WAITING,
}


def of_error(error: BaseException) -> int:
    """The exit code for an error that ended a command."""
    match error:
        case KeyboardInterrupt():
            return SIGNAL_BASE + 2
        case Interrupted():
            return SIGNAL_BASE + error.signal_number
        case RunLocked():
            return Exit.LOCKED
        case InvalidDocument() | InvalidSetting() | TemplateError() | UnknownNodeType() | UnknownRun():
            return Exit.INVALID
        case ClusterLost():
            return Exit.LIMIT
        case (
            StorageError()
            | ExecutorUnavailable()
            | BenchFailed()
            | MissingExtra()
            | BrokenNodeType()
            | OSError()
        ):
            return Exit.ENVIRONMENT
    return Exit.FAILED


def is_expected(error: BaseException) -> bool:
    """Whether the error is one of ours or the system's, rather than a fault in batchmill."""
    return isinstance(error, BatchmillError | OSError | KeyboardInterrupt)
