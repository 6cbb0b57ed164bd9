"""Encrypted connections: kept, bounded in time, and refused where the certificate is not to be trusted."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress

import pytest

from batchmill.errors import AttemptTimeout, InvalidParams, NodeError
from batchmill.nodes.http.connections import _Limits


@pytest.fixture
def secure(server, certificate):
    """The test's server, speaking TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.wrap = lambda connection: context.wrap_socket(connection, server_side=True)
    server.url = f"https://localhost:{server.port}"
    return server


@pytest.fixture
def trusted(secure, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])
    return secure


def test_a_certificate_that_nobody_signed(run, secure, reply):
    with pytest.raises(NodeError, match="is not trusted") as caught:
        run("http", url=secure.on("/x", reply(200, b"x")))
    assert (caught.value.type_name, caught.value.retryable) == ("CertificateError", False)
    assert secure.received == []


def test_a_certificate_for_another_name(run, trusted, reply):
    trusted.on("/x", reply(200, b"x"))
    with pytest.raises(NodeError, match="is not trusted"):
        run("http", url=f"https://127.0.0.1:{trusted.port}/x")


def test_connections_are_kept(run, trusted, reply):
    url = trusted.on("/x", reply(200, {"n": 1}))
    for _ in range(3):
        assert run("http", url=url, body={"long": "x" * 200_000}).outputs["response"] == {"n": 1}
    assert trusted.connections == 1


def test_a_kept_connection_that_dies_is_replaced(run, trusted, reply):
    url = trusted.on("/x", reply(200, b"x"), lambda request, connection: None, reply(200, b"y"))
    run("http", url=url)
    assert run("http", url=url).outputs["response"] == "y"


def test_an_answer_that_trickles(run, trusted, trickle):
    url = trusted.on("/x", trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000))
    began = time.monotonic()
    with pytest.raises(AttemptTimeout):
        run("http", url=url, timeout=0.4)
    assert time.monotonic() - began < 20  # all of it takes forty


def test_a_handshake_that_nobody_answers(run, server):
    waited = []
    server.wrap = lambda connection: waited.append(server.closing.wait(60)) and None
    with pytest.raises(AttemptTimeout):
        run("http", url=server.url.replace("http://", "https://"), timeout=0.3)
    assert not waited


def test_credentials_do_not_go_from_tls_to_plain(run, trusted, other_server, reply):
    url = trusted.on("/x", reply(302, b"", {"Location": other_server.on("/y", reply(200, b"y"))}))
    run("http", url=url, auth_token="canary")
    assert "authorization" not in other_server.received[0].headers


def test_servers_signed_by_an_authority_of_ones_own(run, secure, certificate, reply):
    url = secure.on("/x", reply(200, b"x"))
    assert run("http", url=url, ca_file=certificate[0]).outputs["response"] == "x"
    with pytest.raises(NodeError, match="is not trusted"):  # the kept connection is for those who trust it
        run("http", url=url)


@pytest.fixture
def asks_who(secure, certificate):
    """The test's server, which wants a certificate from its clients; ``shown`` says which it was shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(certificate[0])
    context.verify_mode = ssl.CERT_OPTIONAL
    secure.shown = []

    def wrap(connection):
        wrapped = context.wrap_socket(connection, server_side=True)
        secure.shown.append(bool(wrapped.getpeercert()))
        return wrapped

    secure.wrap = wrap
    return secure


def test_a_certificate_of_ones_own_is_for_the_first_server(run, asks_who, other_server, certificate, reply):
    own = {"ca_file": certificate[0], "client_cert": certificate[0], "client_key": certificate[1]}
    run("http", url=asks_who.on("/x", reply(200, b"x")), **own)
    assert asks_who.shown == [True]
    elsewhere = other_server.on("/x", reply(302, b"", {"Location": f"{asks_who.url}/x"}))
    assert run("http", url=elsewhere, **own).outputs["response"] == "x"
    assert asks_who.shown == [True, False]


@pytest.mark.parametrize("param", ["ca_file", "client_cert"])
@pytest.mark.parametrize("content", [None, "no certificate"])
def test_files_that_hold_no_certificate(run, secure, reply, tmp_path, param, content):
    path = tmp_path / "some.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InvalidParams, match=f"`{param}` cannot be used"):
        run("http", url=secure.on("/x", reply(200, b"x")), **{param: str(path)})
    with pytest.raises(InvalidParams, match="needs `client_cert`"):
        run("http", url=secure.url, client_key=str(path))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("shown", ["none", "unknown"])
def test_a_server_that_wants_a_certificate_it_knows(
    run, secure, certificate, make_certificate, reply, version, shown
):
    """With TLS 1.3 the server says so after the request was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(certificate[0])
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED

    def wrap(connection):
        wrapped = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with suppress(ssl.SSLError):
            wrapped.do_handshake()
        while socket.socket.recv(wrapped, 65536):  # until the client goes: what it was told arrives then
            pass
        wrapped.close()
        return

    secure.wrap = wrap
    own = {"ca_file": certificate[0]}
    if shown == "unknown":
        own |= dict(zip(("client_cert", "client_key"), make_certificate("someone.else"), strict=True))
    with pytest.raises(NodeError, match="rejects the client's certificate, or asks for one") as caught:
        run("http", url=secure.on("/x", reply(200, b"x")), body="x" * 100_000, **own)
    assert not caught.value.retryable
    assert "`client_cert`" in str(caught.value)
    assert secure.received == []


def test_an_answer_before_all_was_sent(run, secure, certificate, reply, monkeypatch):
    """A server that closes once it has answered is written to in vain."""
    usual = _Limits._send

    def send(self, head, body):
        usual(self, head, body)
        raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")

    monkeypatch.setattr(_Limits, "_send", send)
    with pytest.raises(NodeError, match="413") as caught:
        run("http", url=secure.on("/x", reply(413, b"too much")), ca_file=certificate[0])
    assert caught.value.outputs["response"] == "too much"


def test_a_server_that_speaks_no_tls(run, server):
    def plain(connection):
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return

    server.wrap = plain
    with pytest.raises(NodeError, match="does not speak TLS at this port") as caught:
        run("http", url=server.url.replace("http://", "https://"))
    assert (caught.value.type_name, caught.value.retryable) == ("ConnectionFailed", False)


def test_an_untrusted_certificate_says_what_to_set(run, secure):
    with pytest.raises(NodeError, match="`ca_file` names the authorities to trust"):
        run("http", url=f"{secure.url}/x")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_variable_that_names_no_certificates(run, secure, tmp_path, monkeypatch, content):
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(InvalidParams, match="the file of SSL_CERT_FILE cannot be used"):
        run("http", url=f"{secure.url}/x")


def test_keys_that_cannot_be_read(run, secure, certificate, tmp_path):
    encrypted = tmp_path / "key.pem"
    encrypted.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n")
    own = {"ca_file": certificate[0], "client_cert": certificate[0]}
    with pytest.raises(InvalidParams, match="`client_key` names the file of its key"):
        run("http", url=secure.url, **own)
    with pytest.raises(InvalidParams, match="the key is encrypted"):
        run("http", url=secure.url, client_key=str(encrypted), **own)
