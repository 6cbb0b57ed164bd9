"""Errors of runs: of nodes and items, of storage, of executors, and how a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchmill.errors.base import BatchmillError

_OUTPUTS = "_batchmill_outputs"


class StorageError(BatchmillError):
    """Raised when files or the environment fail a run: an unreadable source, a full disk."""


class UnreadableRow(BatchmillError):
    """Raised by an item that stands for a row of a source that cannot be read; trying again is pointless."""

    retryable = False


class TooFewItems(BatchmillError):
    """Raised where a batch has fewer items than its ``min_items``."""

    retryable = False


class FileInUse(BatchmillError):
    """Raised when a file that a run is to write is one that it reads, writes elsewhere, or needs itself."""

    retryable = False


class WrongOutput(BatchmillError):
    """Raised when an output of a run is not of the type that its document declares."""


class RunLocked(BatchmillError):
    """Raised when another process is running the run that is to be resumed; ``holder`` tells which."""

    def __init__(self, run: str, holder: str = "") -> None:
        super().__init__(run, holder)
        self.run = run
        self.holder = holder

    def __str__(self) -> str:
        return f"run {self.run} is being run by {self.holder or 'another process'}"


class UnknownRun(BatchmillError):
    """Raised when a journal has no run of a name, or several that begin with it."""


class NodeError(BatchmillError):
    """Raised when an attempt of a node ended in an error result rather than in an exception.

    ``outputs`` is what the node has to say all the same (``stderr``, ``exit_code``, ...);
    ``retryable`` is False where another attempt would be pointless; ``retry_after`` is the wait in
    seconds that the other side asked for; ``refused`` says that it wanted fewer calls, or none for a while;
    ``denied`` says that it did not accept the credentials, or that their quota is empty: after so many in a
    row, with no success between them, a batch does not go on (0 is no such error);
    ``address`` is the node inside a sub-workflow that failed.
    """

    def __init__(
        self,
        message: str,
        *,
        outputs: Mapping[str, Any] | None = None,
        retryable: bool = True,
        retry_after: float | None = None,
        refused: bool = False,
        denied: int = 0,
        type_name: str = "NodeError",
        address: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.outputs = dict(outputs or {})
        self.retryable = retryable
        self.retry_after = retry_after
        self.refused = refused
        self.denied = denied
        self.type_name = type_name
        self.address = address

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {
            "outputs": self.outputs,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "refused": self.refused,
            "denied": self.denied,
            "type_name": self.type_name,
            "address": self.address,
        }
        return _with_keywords, (type(self), self.message, fields)


def _with_keywords(kind: type[NodeError], message: str, fields: dict[str, Any]) -> NodeError:
    return kind(message, **fields)


class InvalidParams(NodeError):
    """Raised when a node's params are wrong once their templates are resolved; retrying is pointless."""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message, **{"retryable": False, "type_name": "InvalidParams", **fields})


class AttemptTimeout(BatchmillError, TimeoutError):
    """Raised when one attempt of one item took longer than its ``timeout``. ``outputs`` is what a node had to
    say until then."""

    def __init__(self, message: str, outputs: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.outputs = dict(outputs or {})


class Stopped(BatchmillError):
    """Raised inside an attempt that ends early because its run is being stopped; the item counts as
    cancelled, not as failed."""

    retryable = False


class Waiting(Stopped):
    """Raised inside an attempt whose request is in a batch that a service answers later; the item is neither
    failed nor done, and is run again when the run goes on."""


class NotPicklable(BatchmillError):
    """Raised when a value cannot travel to or from another process; names the attribute at fault."""


class NotCopyable(BatchmillError):
    """Raised when a node chain cannot be copied for a worker thread; names the attribute at fault."""


class ExecutorUnavailable(BatchmillError):
    """Raised when an executor cannot start on this machine, with what is missing."""


class ClusterLost(BatchmillError):
    """Raised when the cluster that a batch runs on cannot be reached any more; what was finished is kept,
    and the run can be resumed, on another cluster too."""


class LeftOnWorker(BatchmillError):
    """Raised for an item that left files in the folder it runs in, on a worker that does not have the folder
    of the run: nobody would find them. Retrying is pointless."""

    retryable = False


class BenchFailed(BatchmillError):
    """Raised when something that was to be measured cannot be run at all."""


class RemoteTraceback(BatchmillError):
    """Raised as the cause of another error only, for an exception that does not travel from where it was
    raised, or came without its traceback; the text is that traceback."""

    def __str__(self) -> str:
        text = str(self.args[0] if self.args else "").rstrip()
        return f'\n"""\n{text}\n"""'


class InitializerFailed(BatchmillError):
    """Raised for the items of a worker whose ``initializer`` failed; its exception is the cause. Retrying is
    pointless."""

    retryable = False


class ItemFailed(BatchmillError):
    """Raised by nobody: under ``return_exceptions`` it stands among the results for an item that failed and
    has no exception: its worker died, it was not run, or the exception does not travel between processes.

    ``type``, ``message`` and ``kind`` are those of its entry in ``.errors``; the cause is the traceback's
    text, if there is one."""

    def __init__(self, type_name: str, message: str, kind: str) -> None:
        super().__init__(type_name, message, kind)
        self.type = type_name
        self.message = message
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


class BatchFailed(BatchmillError):
    """Raised by :func:`batchmill.map` when the batch failed; ``result`` is the finished part.

    Its cause is the exception of the first item that failed, or a :class:`RemoteTraceback`.
    """

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message, result)
        self.message = message
        self.result = result

    def __str__(self) -> str:
        return self.message


class Interrupted(BatchmillError):
    """Raised when a run was stopped by a signal; ``signal_number`` tells which."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number

    def __str__(self) -> str:
        return f"stopped by signal {self.signal_number}"


class InternalError(BatchmillError):
    """Raised when batchmill contradicts itself: our bug, please report it with the traceback."""


def tell_outputs(error: BaseException, outputs: Mapping[str, Any]) -> None:
    """Have an exception of the user's code carry what its node has to say all the same (``stdout``)."""
    try:
        if isinstance(error, (NodeError, AttemptTimeout)):
            error.outputs = {**outputs, **error.outputs}
        else:
            setattr(error, _OUTPUTS, dict(outputs))
    except Exception:  # noqa: BLE001, S110  # its class takes no attributes: then it goes without
        pass


def outputs_of(error: BaseException) -> dict[str, Any]:
    """What a node that failed with ``error`` has to say all the same; empty where it is not known."""
    if isinstance(error, (NodeError, AttemptTimeout)):
        return error.outputs
    found = vars(error).get(_OUTPUTS)
    return found if isinstance(found, dict) else {}
