"""Faults of connections: found in what libraries raise, and told with what to do."""

from __future__ import annotations

import ssl

import pytest

from batchmill.nodes.connection_faults import tls_fault, words_of


def raised(reason):
    error = ssl.SSLError(1, reason.lower())
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("reason", "type_name", "words"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "CertificateError", "(certificate required); `client_cert`"),
        ("SSLV3_ALERT_CERTIFICATE_UNKNOWN", "CertificateError", "`client_cert`"),
        ("SSLV3_ALERT_BAD_CERTIFICATE", "CertificateError", "`client_cert`"),
        ("TLSV1_ALERT_UNKNOWN_CA", "CertificateError", "`client_cert`"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "ConnectionFailed", "no cipher is common"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "ConnectionFailed", "no version of TLS"),
        ("WRONG_VERSION_NUMBER", "ConnectionFailed", "begins with http://"),
    ],
)
def test_faults_that_stay(reason, type_name, words):
    outer = OSError("the connection failed")
    outer.__cause__ = RuntimeError(raised(reason))  # as libraries do it: a cause, or among the arguments
    found = tls_fault(outer)
    assert found is not None
    assert found.type_name == type_name
    assert words in found.words


@pytest.mark.parametrize("reason", ["UNEXPECTED_EOF_WHILE_READING", "TLSV1_ALERT_INTERNAL_ERROR", None])
def test_faults_that_may_pass(reason):
    error = raised(reason or "x")
    error.reason = reason
    assert tls_fault(error) is None
    assert tls_fault(None) is None


def test_words_of_the_first_error_that_has_some():
    silent = RuntimeError()
    assert words_of(silent) == "RuntimeError"
    silent.__cause__ = OSError("reset by peer")
    silent.__cause__.__context__ = silent  # a circle
    assert words_of(silent) == "reset by peer"
    assert words_of(ValueError("told")) == "told"
