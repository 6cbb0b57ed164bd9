"""Where servers over HTTP are: hosts, private addresses, certificates, secrets bound to hosts."""

from __future__ import annotations

import pytest

import batchmill
from batchmill.errors import InvalidDocument, InvalidParams, NodeError

SECRET = "tok-canary-0123456789"
pytestmark = pytest.mark.slow  # each starts a server


@pytest.fixture(autouse=True)
def _no_proxies_of_the_machine(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def refused(call, server, **more):
    """The message of the error, which must be that of a forbidden host and not retried."""
    with pytest.raises(NodeError, match="was not asked") as caught:
        call("add", server={"url": server, **more}, a=1)
    assert (caught.value.type_name, caught.value.retryable) == ("HostNotAllowed", False)
    return str(caught.value)


def test_allowed_hosts(call, http):
    server = http()
    assert call("add", server={"url": server.url, "allow_hosts": ["127.0.0.1"]}, a=1)["result"] == 2
    assert call("add", server={"url": server.url, "allow_hosts": ["127.0.0.0/8"]}, a=1)["result"] == 2
    assert "`allow_hosts`" in refused(call, server.url, allow_hosts=["mcp.example.com"])
    assert "`allow_hosts`" in refused(call, server.url, allow_hosts=[f"127.0.0.1:{server.port + 1}"])
    assert "`allow_hosts`" in refused(call, server.url, allow_hosts=["10.0.0.0/8"])


def test_private_addresses(call, http, names):
    server = http()
    names["mcp.example.com"] = ["127.0.0.1"]
    named = server.url.replace("127.0.0.1", "mcp.example.com")
    assert "`allow_private` is false" in refused(call, server.url, allow_private=False)
    assert "`allow_private` is false" in refused(call, named, allow_private=False)


def test_certificates(call, http, certificate):
    server = http("tls", *certificate).url
    with pytest.raises(NodeError, match="is not trusted") as caught:
        call("add", server={"url": server}, a=1)
    assert (caught.value.type_name, caught.value.retryable) == ("CertificateError", False)
    assert call("add", server={"url": server, "ca_file": certificate[0]}, a=1)["result"] == 2
    with pytest.raises(InvalidParams, match="`ca_file` cannot be used"):
        call("add", server={"url": server, "ca_file": certificate[1]}, a=1)


def test_a_certificate_of_ones_own(call, http, certificate, monkeypatch):
    monkeypatch.setenv("CERTIFICATE", certificate[0])
    url = http("tls", *certificate, "known").url
    server = {"url": url, "ca_file": "${CERTIFICATE}"}
    with pytest.raises(NodeError, match=r"cannot be reached|rejects the client's certificate"):
        call("add", server=server, a=1)
    server |= {"client_cert": "${CERTIFICATE}", "client_key": certificate[1]}
    assert call("add", server=server, a=1)["result"] == 2


def document(server, arguments, **more):
    return {
        "inputs": {"token": {"secret": True, "required": False}},
        "mcp_servers": {"s": server},
        "nodes": [{"id": "up", "type": "mcp-s-upper", "params": arguments}],
        "outputs": {"said": {"source": "${up.result}"}},
        **more,
    }


def test_secrets_go_to_their_hosts_only(http, monkeypatch):
    """In headers of the server, and in what a tool is given."""
    monkeypatch.setenv("MCP_KEY", SECRET)
    server = {"url": http().url, "headers": {"Authorization": "Bearer ${MCP_KEY}"}}
    bound = {"env.MCP_KEY": ["mcp.example.com"]}
    result = batchmill.run(document(server, {"text": "x"}, secret_hosts=bound), {})
    assert [error["type"] for error in result.errors] == ["HostNotAllowed"], str(result.errors[0])
    assert "the secret `env.MCP_KEY`" in result.errors[0]["message"]
    result = batchmill.run(document(server, {"text": "x"}, secret_hosts={"env.MCP_KEY": ["127.0.0.1"]}), {})
    assert result.outputs == {"said": "X"}
    given = document(
        {"url": server["url"]}, {"text": "${token}"}, secret_hosts={"token": ["mcp.example.com"]}
    )
    given["nodes"][0] |= {"params": {"text": "${item}"}, "batch": {"items": ["${token}", "y"]}}
    given["nodes"][0]["batch"] |= {"executor": "thread", "error_handling": "continue"}
    given["outputs"] = {"said": {"source": "${up.results}"}}
    result = batchmill.run(given, {"token": SECRET})
    assert [error["type"] for error in result.errors] == ["HostNotAllowed"], str(result.errors[0])
    assert result.outputs["said"][1]["result"] == "Y"  # the session is that of the other items, too


def test_hosts_that_are_none():
    server = {"url": "https://mcp.example.com", "allow_hosts": ["https://mcp.example.com"]}
    with pytest.raises(InvalidDocument, match="must be a host such as"):
        batchmill.run(document(server, {"text": "x"}), {})
