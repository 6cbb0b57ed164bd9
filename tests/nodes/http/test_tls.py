"""Encrypted connections: kept, bounded in time, and refused where the certificate is not to be trusted."""

from __future__ import annotations

import ssl
import time

import pytest

from batchmill.errors import AttemptTimeout, InvalidParams, NodeError


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
    assert time.monotonic() - began < 5


def test_a_handshake_that_nobody_answers(run, server):
    server.wrap = lambda connection: server.closing.wait(20) and None
    began = time.monotonic()
    with pytest.raises(AttemptTimeout):
        run("http", url=server.url.replace("http://", "https://"), timeout=0.3)
    assert time.monotonic() - began < 5


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
