"""Find a certificate error in whatever exceptions the libraries wrapped it in."""

from __future__ import annotations

import ssl


def certificate_fault(error: BaseException | None) -> str:
    """The fault of the other side's certificate, in words; empty for other errors."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError):
            return error.verify_message
        error = error.__cause__ or error.__context__ or inner_error(error)
    return ""


def inner_error(error: BaseException) -> BaseException | None:
    """The error among another one's arguments, where libraries put it."""
    found = next((part for part in error.args if isinstance(part, BaseException)), None)
    return found if found is not error else None
