"""Find the fault of a connection in whatever exceptions the libraries wrapped it in."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import NamedTuple

_CERTIFICATE, _FAILED = "CertificateError", "ConnectionFailed"
_NO_AUTHORITY = frozenset({18, 19, 20, 21})  # OpenSSL's codes for signatures of nobody that is trusted
_ALERT = re.compile(r"ALERT_(?P<what>\w+)$")
_OF_OURS = re.compile(r"CERTIFICATE|UNKNOWN_CA$|ACCESS_DENIED$")
_TRUSTED = "`ca_file` names the authorities to trust"
_ASKED_FOR = "the server rejects the client's certificate, or asks for one"
_SET_CLIENT = "`client_cert` and `client_key` set it"
_NO_TLS = "the server does not speak TLS at this port; is the address one that begins with http://?"
_IN_WORDS = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "HTTP_REQUEST": _NO_TLS,
    "HANDSHAKE_FAILURE": f"no cipher is common to both sides, or {_ASKED_FOR} (`client_cert`)",
    "PROTOCOL_VERSION": "no version of TLS is common to both sides",
    "UNSUPPORTED_PROTOCOL": "no version of TLS is common to both sides",
}


class TLSFault(NamedTuple):
    """A fault that another attempt meets again: in words, with the type of the error."""

    words: str
    type_name: str


def tls_fault(error: BaseException | None) -> TLSFault | None:
    """The fault of TLS in ``error`` that stays as long as both sides are set so; None for other errors."""
    found = (_fault(one) for one in _chain(error) if isinstance(one, ssl.SSLError))
    return next((one for one in found if one is not None), None)


def words_of(error: BaseException) -> str:
    """What ``error`` says, or if it says nothing the error that it was raised for; its type if none does."""
    return next((said for one in _chain(error) if (said := str(one).strip())), type(error).__name__)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__ or inner_error(error)


def _fault(error: ssl.SSLError) -> TLSFault | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        remedy = f"; {_TRUSTED}" if getattr(error, "verify_code", 0) in _NO_AUTHORITY else ""
        words = f"the certificate of the server is not trusted: {error.verify_message}{remedy}"
        return TLSFault(words, _CERTIFICATE)
    reason = error.reason or ""
    alert = _ALERT.search(reason)
    what = alert["what"] if alert is not None else reason
    said = what.replace("_", " ").lower()
    if alert is not None and _OF_OURS.search(what):
        return TLSFault(f"{_ASKED_FOR} ({said}); {_SET_CLIENT}", _CERTIFICATE)
    why = _IN_WORDS.get(what)
    return TLSFault(f"no encrypted connection is possible ({said}): {why}", _FAILED) if why else None


def inner_error(error: BaseException) -> BaseException | None:
    """The error among another one's arguments, where libraries put it."""
    found = next((part for part in error.args if isinstance(part, BaseException)), None)
    return found if found is not error else None
