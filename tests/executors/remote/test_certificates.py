"""Certificates of a cluster: taken by each other, by nobody else, and readable by their owner alone."""

from __future__ import annotations

import datetime
import socket
import ssl
import sys
import threading
from pathlib import Path

import pytest

from batchmill.errors import ExecutorUnavailable, InvalidSetting, MissingExtra, StorageError
from batchmill.executors.remote.certificates import Certificates, make_certificates
from batchmill.executors.remote.reach import reached, unusable

x509 = pytest.importorskip("cryptography.x509")
pytestmark = pytest.mark.dask


def context_of(made: Certificates, *, server: bool) -> ssl.SSLContext:
    """What Dask asks of TLS at one end: a certificate of the authority, whoever has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(made.ca)
    context.load_cert_chain(made.cert, made.key)
    return context


def shake_hands(server: Certificates, client: Certificates) -> None:
    """Raises ssl.SSLError where one does not take the other."""
    ways = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = []
    for made, reading, writing, serves in ((server, *ways, True), (client, *ways[::-1], False)):
        ends.append(context_of(made, server=serves).wrap_bio(reading, writing, server_side=serves))
    for _ in range(10):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    assert all(end.getpeercert() for end in ends)


def test_who_has_them_is_let_in_and_nobody_else(tmp_path: Path) -> None:
    ours = make_certificates(str(tmp_path / "ours"))
    others = make_certificates(str(tmp_path / "others"))
    shake_hands(ours, ours)
    for server, client in ((ours, others), (others, ours)):
        with pytest.raises(ssl.SSLError, match=r"verify failed|unknown ca"):
            shake_hands(server, client)


def test_they_are_for_their_owner_alone_and_last_as_long_as_asked(tmp_path: Path) -> None:
    made = make_certificates(str(tmp_path / "certs"), days=3)
    assert sorted(tmp_path.joinpath("certs").iterdir()) == sorted(made)  # and no key of the authority
    assert {path.stat().st_mode & 0o777 for path in made} == {0o600}
    assert tmp_path.joinpath("certs").stat().st_mode & 0o777 == 0o700
    for path in (made.ca, made.cert):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        lasts = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert lasts == datetime.timedelta(days=3, hours=1)


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    made = make_certificates(str(tmp_path))
    before = made.key.read_bytes()
    with pytest.raises(InvalidSetting, match="already exists"):
        make_certificates(str(tmp_path))
    assert made.key.read_bytes() == before


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    with pytest.raises(StorageError, match="cannot be written"):
        make_certificates(str(tmp_path / "file" / "certs"))


def test_without_the_library_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtra, match="batchmill\\[dask\\]"):
        make_certificates(str(tmp_path))


def test_files_that_cannot_be_used_are_told_with_what_is_wrong(tmp_path: Path) -> None:
    ours, others = (make_certificates(str(tmp_path / name)) for name in ("ours", "others"))
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")

    def said(ca: Path, cert: Path, key: Path | None) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        files = {"ca_file": str(ca), "cert": str(cert), "key": key and str(key)}
        try:
            context.load_verify_locations(ca)
            context.load_cert_chain(cert, key)
        except (OSError, ValueError) as fault:
            return str(unusable(fault, files))
        return "they can be used"

    assert f"{ours.cert} and {others.key}, do not belong together" in said(ours.ca, ours.cert, others.key)
    assert "hold no private key; set DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY" in said(
        ours.ca, ours.cert, None
    )
    for files in ((junk, ours.cert, ours.key), (ours.ca, junk, ours.key), (ours.ca, ours.cert, junk)):
        assert "holds no certificate or no key in the form PEM; make new ones with" in said(*files)


def test_a_scheduler_without_tls_is_told_apart_with_a_remedy() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False  # as in Dask's
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def answer() -> None:
            with server.accept()[0] as plain:
                plain.sendall(b"no handshake of TLS\n" * 20)
                plain.recv(1 << 16)

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(ExecutorUnavailable) as raised:
            reached(f"tls://127.0.0.1:{port}", context)
        answering.join()
    what, _, remedy = str(raised.value).partition("; ")  # as `doctor` does
    assert what.endswith("does not speak TLS")
    assert remedy.startswith("start its scheduler with `--protocol tls`")
