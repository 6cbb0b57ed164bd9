"""A first connection to a scheduler, which reports faults of certificates exactly and at once.

Dask itself retries until its time is over, and then only says that it timed out.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from batchmill.errors import ExecutorUnavailable

SECONDS = 10.0
ANSWER_SECONDS = 5.0  # until the scheduler has looked at our certificate
CERTIFICATES = "make new ones with `batchmill cluster certs DIR`, and start scheduler and workers with them"
SAME_FILES = "use the files that its scheduler was started with"
FILES = {  # settings of Dask's, by what they are for
    "ca_file": ("the authority's certificate", "DASK_DISTRIBUTED__COMM__TLS__CA_FILE"),
    "cert": ("your certificate", "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT"),
    "key": ("its key", "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"),
}


class Reached(NamedTuple):
    """``milliseconds`` until it answered, the protocol of TLS ("" without), days until the scheduler's
    certificate, or the authority's, expires."""

    milliseconds: float
    tls: str = ""
    expires_days: float | None = None


def address_in(place: str) -> str:
    """The address of a scheduler; for a scheduler file the one written in it. Raises
    :class:`ExecutorUnavailable`."""
    if not place.endswith(".json"):
        return place
    try:
        return str(json.loads(Path(place).read_text(encoding="utf-8"))["address"])
    except FileNotFoundError as fault:
        raise ExecutorUnavailable(
            f"there is no scheduler file {place}: start `dask scheduler --scheduler-file {place}`, "
            "in a folder that is there too"
        ) from fault
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise ExecutorUnavailable(f"the scheduler file {place} cannot be read: {fault!r}") from fault


def check_files(files: Mapping[str, Any]) -> None:
    """``files`` are Dask's settings of TLS for clients. Raises :class:`ExecutorUnavailable`, naming the file,
    if one is not set or missing."""
    for name, (what, variable) in FILES.items():
        path = files.get(name)
        if name == "key" and not path:
            continue  # it may stand in the file of the certificate
        if not path:
            raise ExecutorUnavailable(
                f"no certificates are set: Dask's configuration does not name {what}; set {variable}, as "
                "`batchmill cluster certs DIR` prints it"
            )
        if "\n" not in path and not os.access(path, os.R_OK):
            why = "cannot be read" if os.path.exists(path) else "is not there"
            raise ExecutorUnavailable(f"{what}, {path}, {why}; {variable} names it")


def unusable(fault: OSError | ValueError, files: Mapping[str, Any]) -> ExecutorUnavailable:
    """The error for files, all of them there, that give no context of TLS: what is wrong with which."""
    text = f"{getattr(fault, 'reason', None) or fault}".upper()
    what, remedy = f"cannot be used: {fault}", CERTIFICATES
    which = " and ".join(str(path) for name in FILES if (path := files.get(name)) and "\n" not in path)
    if "KEY_VALUES_MISMATCH" in text:
        what, remedy = "do not belong together: the key is that of another certificate", SAME_FILES
    elif "PEM LIB" in text and not files.get("key"):
        what, remedy = (
            "hold no private key",
            f"set {FILES['key'][1]}, as `batchmill cluster certs DIR` prints it",
        )
    elif "NO_CERTIFICATE" in text or "PEM LIB" in text or "NO_START_LINE" in text:
        what = "are not all what they should be: one holds no certificate or no key in the form PEM"
    return ExecutorUnavailable(f"the files that Dask's configuration names, {which}, {what}; {remedy}")


def reached(address: str, context: ssl.SSLContext | None) -> Reached:
    """Connect to ``address``, with ``context`` where it is one of TLS, and hang up again. Raises
    :class:`ExecutorUnavailable`."""
    parts = urlsplit(address)
    if parts.scheme not in ("tls", "tcp") or parts.hostname is None or parts.port is None:
        return Reached(0.0)  # what else there may be is Dask's business
    begin = time.perf_counter()
    try:
        with socket.create_connection((parts.hostname, parts.port), SECONDS) as plain:
            if parts.scheme == "tcp" or context is None:
                return Reached(1000 * (time.perf_counter() - begin))
            return _shaken(plain, context, begin)
    except ssl.SSLError as fault:
        raise ExecutorUnavailable(f"the cluster at {address} {_tls_words(fault)}") from fault
    except OSError as fault:
        raise ExecutorUnavailable(
            f"the cluster at {address} cannot be reached: {fault.strerror or fault}; check the address, that "
            "its scheduler runs, and that nothing in between keeps the port closed"
        ) from fault


def _shaken(plain: socket.socket, context: ssl.SSLContext, begin: float) -> Reached:
    with context.wrap_socket(plain) as secure:
        secure.settimeout(ANSWER_SECONDS)
        with contextlib.suppress(TimeoutError):
            if not secure.recv(1):  # whose certificate is refused hears of it only here
                raise ConnectionResetError("it hung up")
        took = 1000 * (time.perf_counter() - begin)
        theirs = secure.getpeercert() or {}
        ends = [str(one["notAfter"]) for one in (theirs, *context.get_ca_certs()) if "notAfter" in one]
        days = [(ssl.cert_time_to_seconds(end) - time.time()) / 86_400 for end in ends]
        return Reached(took, secure.version() or "", min(days, default=None))


def _tls_words(fault: ssl.SSLError) -> str:
    text = f"{fault.reason or fault}".upper()
    if isinstance(fault, ssl.SSLCertVerificationError):
        if fault.verify_code == 10:  # X509_V_ERR_CERT_HAS_EXPIRED
            return f"has a certificate that has expired; {CERTIFICATES}"
        return (
            f"has a certificate of another authority than the one set here ({fault.verify_message}); "
            f"{SAME_FILES}"
        )
    if "EXPIRED" in text:
        return f"refuses your certificate, which has expired; {CERTIFICATES}"
    if "UNKNOWN_CA" in text or "BAD_CERTIFICATE" in text or "DECRYPT_ERROR" in text:
        return f"refuses your certificate: it is of another authority; {SAME_FILES}"
    if "WRONG_VERSION" in text or "RECORD_LAYER" in text or "UNEXPECTED" in text:
        return (
            "does not speak TLS; start its scheduler with `--protocol tls`, or write tcp:// if you mean that"
        )
    return f"cannot be talked to over TLS: {fault}"
