"""Proxies out of the environment: who goes through them, what they are told, and what they are not."""

from __future__ import annotations

import base64
import socket
import ssl
import threading

import pytest

from batchmill.errors import AttemptTimeout, InvalidParams, NodeError
from batchmill.nodes.access.proxies import proxy_for

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
FAR = "http://only.the.proxy.knows/x"
CANARY = "canary-0123456789"


@pytest.fixture(autouse=True)
def _no_proxies_of_the_machine(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def proxy(other_server, monkeypatch):
    """A server that the environment names as the proxy for everything but loopback."""
    monkeypatch.setenv("http_proxy", other_server.url)
    monkeypatch.setenv("https_proxy", other_server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    return other_server


def test_a_name_that_only_the_proxy_knows(run, proxy, reply):
    proxy.on(FAR, reply(200, "through the proxy"))
    assert run("http", url=f"{FAR}?a=1", body="hi").outputs["response"] == "through the proxy"
    (request,) = proxy.received
    assert (request.method, request.target, request.body) == ("POST", f"{FAR}?a=1", b"hi")
    assert request.headers["host"] == "only.the.proxy.knows"
    assert "proxy-authorization" not in request.headers


def test_connections_to_the_proxy_are_kept(run, proxy, reply):
    proxy.on(FAR, reply(200, "x"))
    for _ in range(3):
        run("http", url=FAR)
    assert proxy.connections == 1


def test_who_is_excepted_is_asked_directly(run, server, proxy, reply):
    assert run("http", url=server.on("/x", reply(200, "direct"))).outputs["response"] == "direct"
    assert proxy.received == []
    assert server.received[0].target == "/x"


def test_credentials_of_the_proxy_are_for_the_proxy_alone(run, server, other_server, reply, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://me:{CANARY}%21@127.0.0.1:{other_server.port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    other_server.on(FAR, reply(302, "", {"Location": server.on("/x", reply(200, "arrived"))}))
    outputs = run("http", url=FAR, auth_token="mine").outputs
    assert outputs["response"] == "arrived"
    sent = other_server.received[0].headers
    assert base64.b64decode(sent["proxy-authorization"].split()[1]).decode() == f"me:{CANARY}!"
    assert sent["authorization"] == "Bearer mine"
    assert not {"proxy-authorization", "authorization"} & server.received[0].headers.keys()
    assert CANARY not in str(outputs)


@pytest.mark.parametrize(
    ("environment", "scheme", "expected"),
    [
        ({}, "http", None),
        ({"HTTP_PROXY": "http://p:1"}, "http", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "https", None),
        ({"HTTPS_PROXY": "p:2"}, "https", "http://p:2"),
        ({"ALL_PROXY": "https://p"}, "https", "https://p:443"),
        ({"http_proxy": "http://lower:1", "HTTP_PROXY": "http://upper:1"}, "http", "http://lower:1"),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "example.org"}, "http", None),
        ({"HTTP_PROXY": "http://p:1", "NO_PROXY": "example.com"}, "http", "http://p:1"),
        ({"HTTP_PROXY": "http://p:1", "no_proxy": "*"}, "http", None),
        ({"HTTP_PROXY": ""}, "http", None),
        ({"HTTP_PROXY": "http://p:1", "REQUEST_METHOD": "GET"}, "http", None),  # CGI: a client may set it
    ],
)
def test_which_proxy_it_is(environment, scheme, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = proxy_for(scheme, "www.example.org", 80)
    assert (None if found is None else str(found.url)) == expected


@pytest.mark.parametrize("value", ["socks5://p:1", "http://", "http://[", "ftp://p"])
def test_what_is_no_proxy_is_said(run, value, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", value)
    with pytest.raises(InvalidParams, match="proxy"):
        run("http", url=FAR)


def test_a_proxy_that_is_not_there_or_refuses(run, proxy, reply, monkeypatch):
    proxy.on("only.the.proxy.knows:443", reply(407, ""))
    with pytest.raises(NodeError, match="407") as caught:
        run("http", url="https://only.the.proxy.knows/x")
    assert (caught.value.type_name, caught.value.retryable) == ("ProxyFailed", False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with pytest.raises(NodeError, match="the proxy on the way there failed") as caught:
        run("http", url=FAR)
    assert caught.value.retryable


def test_a_proxy_that_does_not_answer_is_not_waited_for(run, proxy):
    proxy.on(FAR, lambda request, connection: proxy.closing.wait(20) and None)
    with pytest.raises(AttemptTimeout, match=r"within 0\.3 s"):
        run("http", url=FAR, timeout=0.3)


def tunnel(target):
    """What a proxy does for CONNECT: passes bytes on to a port of this machine until one side ends."""

    def answer(request, connection):
        other = socket.create_connection(("127.0.0.1", target))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def pump(source, sink):
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
            except OSError:
                pass
            for one in (source, sink):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        back = threading.Thread(target=pump, args=(other, connection))
        back.start()
        pump(connection, other)
        back.join()
        other.close()

    return answer


@pytest.fixture
def secure(server, make_certificate, monkeypatch):
    certificate, key = make_certificate("only.the.proxy.knows")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.wrap = lambda connection: context.wrap_socket(connection, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", certificate)
    return server


def test_an_encrypted_request_goes_through_a_tunnel(run, proxy, secure, reply):
    secure.on("/x", reply(200, "in private"))
    proxy.on("only.the.proxy.knows:443", tunnel(secure.port))
    for _ in range(2):
        outputs = run("http", url="https://only.the.proxy.knows/x", auth_token=CANARY).outputs
        assert outputs["response"] == "in private"
    (asked,) = proxy.received  # the tunnel is kept
    assert (asked.method, asked.target) == ("CONNECT", "only.the.proxy.knows:443")
    assert CANARY not in str(asked)
    assert secure.received[0].headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.slow
def test_an_encrypted_answer_that_does_not_come_is_not_waited_for(run, proxy, secure):
    secure.on("/x", lambda request, connection: secure.closing.wait(20) and None)
    proxy.on("only.the.proxy.knows:443", tunnel(secure.port))
    with pytest.raises(AttemptTimeout):
        run("http", url="https://only.the.proxy.knows/x", timeout=0.5)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.0.0.1", "localhost"])
def test_addresses_in_other_words_are_known_before_the_proxy_is_asked(run, proxy, monkeypatch, host):
    monkeypatch.delenv("no_proxy")
    with pytest.raises(NodeError, match="was not asked") as caught:
        run("http", url=f"http://{host}/x", allow_private=False)
    assert caught.value.type_name == "HostNotAllowed"
    assert proxy.received == []
