"""Errors of runs: of nodes, items, storage and executors, and how a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchmill.errors.base import BatchmillError

_OUTPUTS = "_batchmill_outputs"


class StorageError(BatchmillError):
    """Raised when files or the environment make a run fail: an unreadable source, a full disk."""


class UnreadableRow(BatchmillError):
    """Raised for an item whose row in the source cannot be read; it is not retried."""

    retryable = False


class TooFewItems(BatchmillError):
    """Raised when a batch has fewer items than its ``min_items``."""

    retryable = False


class FileInUse(BatchmillError):
    """Raised when a run would write a file that it reads, writes elsewhere, or needs itself."""

    retryable = False


class WrongOutput(BatchmillError):
    """Raised when an output of a run does not have the type that its document declares."""


class RunLocked(BatchmillError):
    """Raised when you resume a run that another process is running; ``holder`` says which process."""

    def __init__(self, run: str, holder: str = "") -> None:
        super().__init__(run, holder)
        self.run = run
        self.holder = holder

    def __str__(self) -> str:
        return f"run {self.run} is being run by {self.holder or 'another process'}"


class UnknownRun(BatchmillError):
    """Raised when a journal has no run of this name, or several that begin with it."""


class NodeError(BatchmillError):
    """Raised when an attempt of a node ended with an error result instead of an exception.

    - ``outputs``: the node's diagnostic outputs (``stderr``, ``exit_code``, ...).
    - ``retryable``: False if another attempt cannot help.
    - ``retry_after``: the wait in seconds that the service asked for.
    - ``refused``: True if the service asked for fewer calls, or for none for a while (rate limit).
    - ``denied``: above 0 if other items would fail for the same reason (rejected credentials, an empty
      quota): the batch stops after so many of these errors in a row without a success. 0 for other errors.
    - ``address``: the node inside a sub-workflow that failed.
    """

    def __init__(
        self,
        message: str,
        *,
        outputs: Mapping[str, object] | None = None,
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

    def __reduce__(self) -> tuple[object, ...]:
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
    """Raised when a node's params are wrong after their templates are resolved; it is not retried."""

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message, **{"retryable": False, "type_name": "InvalidParams", **fields})


class AttemptTimeout(BatchmillError, TimeoutError):
    """Raised when one attempt of one item took longer than its ``timeout``. ``outputs`` is the output of the
    node so far."""

    def __init__(self, message: str, outputs: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.outputs = dict(outputs or {})


class Stopped(BatchmillError):
    """Raised inside an attempt that ends early because its run is stopping; the item counts as cancelled, not
    as failed."""

    retryable = False


class Waiting(Stopped):
    """Raised inside an attempt whose request is in a batch that a service answers later; the item is neither
    failed nor done, and runs again when the run is resumed."""


class NotPicklable(BatchmillError):
    """Raised when a value cannot be pickled for another process; names the attribute at fault."""


class NotCopyable(BatchmillError):
    """Raised when a node chain cannot be copied for a worker thread; names the attribute at fault."""


class ExecutorUnavailable(BatchmillError):
    """Raised when an executor cannot start on this machine; says what is missing."""


class ClusterLost(BatchmillError):
    """Raised when the cluster of a batch cannot be reached any more. Finished items are saved; resume the
    run, on another cluster if you like."""


class LeftOnWorker(BatchmillError):
    """Raised for an item that left files in its working folder on a worker without access to the run's
    folder, where they would be lost. It is not retried."""

    retryable = False


class BenchFailed(BatchmillError):
    """Raised when a case of a benchmark cannot run at all."""


class RemoteTraceback(BatchmillError):
    """Raised only as the cause of another error, if an exception cannot be pickled or came without its
    traceback; its text is that traceback."""

    def __str__(self) -> str:
        text = str(self.args[0] if self.args else "").rstrip()
        return f'\n"""\n{text}\n"""'


class InitializerFailed(BatchmillError):
    """Raised for the items of a worker whose ``initializer`` failed; its cause is the exception of the
    initializer. It is not retried."""

    retryable = False


class ItemFailed(BatchmillError):
    """Raised by nobody: with ``return_exceptions`` it is the result of a failed item that has no exception,
    because its worker died, it did not run, or the exception cannot be pickled.

    ``type``, ``message`` and ``kind`` are those of its entry in ``.errors``; its cause is the text of the
    traceback, if there is one.
    """

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

    def __init__(self, message: str, result: object = None) -> None:
        super().__init__(message, result)
        self.message = message
        self.result = result

    def __str__(self) -> str:
        return self.message


class Interrupted(BatchmillError):
    """Raised when a signal stopped a run; ``signal_number`` says which one."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number

    def __str__(self) -> str:
        return f"stopped by signal {self.signal_number}"


class InternalError(BatchmillError):
    """Raised when batchmill contradicts itself: our bug, please report it with the traceback."""


def tell_outputs(error: BaseException, outputs: Mapping[str, object]) -> None:
    """Attach a node's diagnostic outputs (``stdout``) to an exception of the user's code."""
    try:
        if isinstance(error, (NodeError, AttemptTimeout)):
            error.outputs = {**outputs, **error.outputs}
        else:
            setattr(error, _OUTPUTS, dict(outputs))
    except Exception:  # noqa: BLE001, S110  # its class takes no attributes: then it goes without
        pass


def outputs_of(error: BaseException) -> dict[str, Any]:
    """The diagnostic outputs of a node that failed with ``error``; empty if unknown."""
    if isinstance(error, (NodeError, AttemptTimeout)):
        return error.outputs
    found = vars(error).get(_OUTPUTS)
    return found if isinstance(found, dict) else {}
