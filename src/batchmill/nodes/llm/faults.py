"""Turn the SDK's exceptions into errors of a node, and say whether the call may still be charged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchmill.errors import AttemptTimeout, BatchmillError, NodeError
from batchmill.nodes.connection_faults import tls_fault, words_of
from batchmill.nodes.credentials import masked
from batchmill.nodes.http.refusals import (
    PAYMENT_REQUIRED,
    SPENT,
    is_refusal,
    is_spent,
    refusal_status,
    seconds_until_free,
)
from batchmill.nodes.llm.question import Unanswered
from batchmill.values.redaction import shortened

_RETRYABLE = frozenset({408, 409, 425, 429})
DENIED_IN_A_ROW = 3
_DENIED = {401: DENIED_IN_A_ROW, 403: 5}  # the second may be about what was asked
_GAVE_UP = frozenset({504, 524})  # a gateway, on a server that may have worked on and charge for it
_SHOWN_CHARACTERS = 500
_NEVER_SENT = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "InvalidURL",
        "LocalProtocolError",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
    }
)
"""Names of exceptions that the SDK's transport raises before a request is sent; two libraries have them."""


class Moved(Exception):  # never leaves this room
    """Raised when a redirect of a question would drop its body."""

    def __init__(self, status: int, location: str) -> None:
        super().__init__(status, location)
        self.status = status
        self.location = location


class CutOff(Exception):  # never leaves this room
    """Raised when an answer began but did not end."""


class AnswerTooLarge(Exception):  # never leaves this room
    """Raised when an answer has more bytes than allowed."""

    def __init__(self, limit: float) -> None:
        super().__init__(limit)
        self.limit = limit


def unanswered(module: Any, error: BaseException, key: str) -> Unanswered:
    """The error for a failed call, without the key in it; ``module`` is the SDK."""
    moved = error if isinstance(error, Moved) else error.__cause__
    if isinstance(moved, NodeError):  # of the way there: that host is not to be asked
        return Unanswered(moved, paid=False)
    if isinstance(moved, Moved):
        return Unanswered(_of_move(moved, key), paid=False)
    if isinstance(error, AnswerTooLarge):
        message = (
            f"the server answered with more than {error.limit:,} bytes; `max_response_bytes` sets the limit"
        )
        return Unanswered(_error(message, "ResponseTooLarge", retryable=False), paid=True)
    if isinstance(error, module.APIStatusError):
        return Unanswered(_of_status(error, key), paid=int(error.status_code) in _GAVE_UP)
    if (fault := tls_fault(error)) is not None:  # also one that TLS 1.3 tells after the question was sent
        return Unanswered(_error(fault.words, fault.type_name, retryable=False), paid=False)
    cause = error.__cause__ if isinstance(error, (module.APIConnectionError, CutOff)) else None
    paid = type(cause).__name__ not in _NEVER_SENT
    if isinstance(error, module.APITimeoutError) or type(cause).__name__.endswith("Timeout"):
        return Unanswered(AttemptTimeout("the server did not answer in time"), paid=paid)
    return Unanswered(_of_connection(module, error, cause, key, sent=paid), paid=paid)


def _of_connection(
    module: Any, error: BaseException, cause: BaseException | None, key: str, *, sent: bool
) -> BatchmillError:
    words = f"{error}".rstrip(".")
    said = masked(words if cause is None else f"{words}: {words_of(cause)}", key)
    if isinstance(error, CutOff):
        return _error(said, "ConnectionFailed", retryable=True)
    retryable = isinstance(error, (module.APIConnectionError, module.APIError))
    broken = isinstance(error, module.APIConnectionError)
    if broken and sent:
        said = f"the connection broke before the model's answer came; the call may be charged: {said}"
        return _error(said, "ConnectionFailed", retryable=True)
    kind = "ConnectionFailed" if broken else type(error).__name__
    return _error(f"the model could not be asked: {said}", kind, retryable=retryable)


def _error(message: str, type_name: str, *, retryable: bool) -> NodeError:
    return NodeError(message, retryable=retryable, type_name=type_name, outputs={"error": message})


def _of_move(moved: Moved, key: str) -> NodeError:
    place = masked(moved.location.partition("?")[0], key)
    message = (
        f"the server answered with {moved.status}: it has moved to {place or 'another place'}, and a "
        "question is not sent on there; set `base_url` to the new address"
    )
    return NodeError(
        message,
        outputs={"error": message, "status_code": moved.status},
        retryable=False,
        type_name=f"HTTP{moved.status}",
    )


def _of_status(error: Any, key: str) -> NodeError:
    status = int(error.status_code)
    said = masked(_said(error), key)
    message = f"the server answered with {status}" + (f": {said}" if said else "")
    spent = status == PAYMENT_REQUIRED or _is_spent(error)
    refused = not spent and is_refusal(status, error.response.headers)
    return of_status(message, status, refused, _asked_for(error, refused), spent=spent)


def of_status(
    message: str, status: int, refused: bool, retry_after: float | None, *, spent: bool = False
) -> NodeError:
    """The error for an answer with this ``status``; ``spent`` says that the quota is empty."""
    return NodeError(
        message,
        outputs={"error": message, "status_code": status},
        retryable=not spent and (refused or status >= 500 or status in _RETRYABLE),
        retry_after=retry_after,
        refused=refused,
        denied=0 if refused else DENIED_IN_A_ROW if spent else _DENIED.get(status, 0),
        type_name=f"HTTP{status}",
    )


def refusal_within(content: bytes, key: str) -> NodeError | None:
    """The refusal that came as a success: 429, or words of an empty quota, in a body with status 200. None if
    there is none."""
    spent, status = is_spent(200, content), refusal_status(content)
    if spent and status is None:
        status = 429  # with which this is told where it is no success
    if status is None:
        return None
    said = masked(shortened(" ".join(content.decode("utf-8", "replace").split()), _SHOWN_CHARACTERS), key)
    why = "an empty quota" if spent else f"{status}"
    message = f"the server answered with 200, and with {why} in it: {said}"
    return of_status(
        message, status, not spent, None if spent else seconds_until_free({}, content), spent=spent
    )


def _is_spent(error: Any) -> bool:
    body = error.body if isinstance(error.body, Mapping) else {}
    return any(str(word or "") in SPENT for word in (getattr(error, "code", None), body.get("type")))


def _said(error: Any) -> str:
    body = error.body
    said = body.get("message") if isinstance(body, Mapping) else body
    return shortened(" ".join(str(said or error.message).split()), _SHOWN_CHARACTERS)


def _asked_for(error: Any, refused: bool) -> float | None:
    """Seconds; the body has been read where the SDK made an error of it."""
    response = error.response
    body = response.content if refused and response.is_closed else b""
    return seconds_until_free(response.headers, body, limits=refused)
