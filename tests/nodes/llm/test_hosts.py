"""Where ``llm`` and ``embeddings`` go: certificates, proxies, hosts, redirects to other servers."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest

import batchmill
from batchmill.attempt import Attempt
from batchmill.concurrency.resources import close_resources
from batchmill.errors import InvalidParams, NodeError

CANARY = "sk-canary-0123456789"
VECTORS = {"data": [{"embedding": [1.0], "index": 0}], "usage": {"prompt_tokens": 1, "total_tokens": 1}}


@pytest.fixture(autouse=True)
def _no_proxies_of_the_machine(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def moved_to(model):
    return lambda body: (307, {}, {"Location": f"{model.base_url}/chat/completions"})


def named(model, name):
    return model.base_url.replace("127.0.0.1", name)


def test_names_are_looked_up_once(ask, model, names):
    names["models.example"] = (["127.0.0.1"], ["127.0.0.2"])
    assert ask("x", base_url=named(model, "models.example"))["response"] == "hello"
    assert names.asked == ["models.example"]
    assert model.headers[0]["host"].startswith("models.example:")


def test_the_first_address_that_answers(ask, model, names):
    names["models.example"] = ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first
    assert ask("x", base_url=named(model, "models.example"))["response"] == "hello"


def test_addresses_that_are_none(ask):
    with pytest.raises(InvalidParams, match="`base_url` cannot be read"):
        ask("x", base_url="http://0177.0.0.1/v1")


def test_names_that_nobody_knows(ask, model, names):
    with pytest.raises(NodeError, match="not known") as caught:
        ask("x", base_url="http://nowhere.example/v1")
    assert (caught.value.type_name, caught.value.retryable) == ("ConnectionFailed", True)


def test_hosts_that_may_not_be_asked(ask, model, names):
    names["models.example"] = ["127.0.0.1"]
    for more in ({"allow_hosts": ["api.openai.com"]}, {"allow_private": False}):
        with pytest.raises(NodeError, match="was not asked") as caught:
            ask("x", base_url=named(model, "models.example"), **more)
        assert (caught.value.type_name, caught.value.retryable) == ("HostNotAllowed", False)
    assert model.asked == []
    assert ask("x", allow_hosts=["127.0.0.0/8"])["response"] == "hello"


def test_hosts_that_data_names(model, names, tmp_path):
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    (tmp_path / "urls.txt").write_text(model.base_url)
    batch = {"items": {"lines": str(tmp_path / "urls.txt")}, "error_handling": "continue"}
    params = {"model": "m", "prompt": "x", "base_url": "${item}"}
    node = {"id": "ask", "type": "llm", "params": params, "batch": batch}
    for one in ({}, {"model": None, "base_url": None, "models": [{"model": "m", "base_url": "${item}"}]}):
        result = batchmill.run({"nodes": [{**node, "params": {**params, **one}}]})
        assert [error["type"] for error in result.errors] == ["HostNotAllowed"], result.errors
    assert model.asked == []
    close_resources()


def test_a_redirect_to_another_server_has_no_credentials(ask, model, other_model, names):
    names["models.example"] = ["127.0.0.1"]
    model.answers = [moved_to(other_model)]
    assert ask("x", base_url=named(model, "models.example"), api_key=CANARY)["response"] == "hello"
    assert model.headers[0]["authorization"] == f"Bearer {CANARY}"
    assert "authorization" not in other_model.headers[0]
    attempt = Attempt()
    with pytest.raises(NodeError, match="not in `allow_hosts`"):
        ask("x", base_url=named(model, "models.example"), allow_hosts=["models.example"], attempt=attempt)
    assert len(other_model.asked) == 1
    assert list(attempt.recorder) == []  # nobody answered, so nothing is paid


def test_proxies(ask, model, other_model, monkeypatch):
    monkeypatch.setenv(
        "HTTP_PROXY", other_model.base_url.replace("http://", "http://me:pass@")[: -len("/v1")]
    )
    assert ask("x", base_url="http://models.example/v1", api_key=CANARY)["response"] == "hello"
    assert other_model.headers[0]["proxy-authorization"] == "Basic bWU6cGFzcw=="
    assert other_model.headers[0]["host"] == "models.example"
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    assert ask("x")["response"] == "hello"
    assert "proxy-authorization" not in model.headers[0]
    monkeypatch.delenv("no_proxy")
    with pytest.raises(NodeError, match="was not asked"):
        ask("x", base_url="http://10.0.0.1/v1", allow_private=False)
    assert len(other_model.asked) == 1


@contextmanager
def proxy_that_says(answer):
    """The URL of a proxy that gives each connection this answer."""

    def served():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # closed
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=served)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(
    ("answer", "retryable", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", False, "407.*wants credentials"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", False, "403 Forbidden"),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", True, "502 Bad Gateway"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", True, "SSH"),
    ],
)
def test_proxies_that_make_no_tunnel(ask, monkeypatch, answer, retryable, words):
    """The server has not been asked, so that nothing is charged."""
    attempt, model = Attempt(), {"base_url": "https://models.example/v1"}
    with proxy_that_says(answer) as url:
        monkeypatch.setenv("HTTPS_PROXY", url.replace("http://", "http://me:canary-pass@"))
        with pytest.raises(NodeError, match=words) as caught:
            ask("x", attempt=attempt, **model)
    assert caught.value.retryable == retryable
    if answer.startswith(b"HTTP"):
        assert caught.value.type_name == "ProxyFailed"
    assert "canary" not in str(caught.value)
    monkeypatch.setenv("HTTPS_PROXY", url)  # where nobody is any more
    with pytest.raises(NodeError, match="the proxy on the way there failed") as caught:
        ask("x", attempt=attempt, **model)
    assert (caught.value.type_name, caught.value.retryable) == ("ProxyFailed", True)
    assert list(attempt.recorder) == []


def test_certificates_of_ones_own(ask, run, model, secure_model, certificate):
    shown = secure_model(certificate)
    url = model.base_url.replace("http://127.0.0.1", "https://localhost")
    with pytest.raises(NodeError, match="is not trusted"):
        ask("x", base_url=url)
    own = {"base_url": url, "ca_file": certificate[0]}
    assert ask("x", **own)["response"] == "hello"
    own |= {"client_cert": certificate[0], "client_key": certificate[1]}
    assert ask("x", **own)["response"] == "hello"
    assert shown == [False, True]
    model.answers = [(200, VECTORS, {})]
    assert run("embeddings", input="x", model="m", **own).outputs["embedding"] == [1.0]
    with pytest.raises(InvalidParams, match="`ca_file` cannot be used"):
        ask("x", base_url=url, ca_file=certificate[1])


@pytest.mark.parametrize("kind", ["llm", "embeddings"])
def test_secrets_go_to_their_hosts_only(model, monkeypatch, kind):
    """In the key, in what is asked, and to where a redirect leads."""
    pytest.importorskip("openai", reason="the extra `llm` is not installed", exc_type=ImportError)
    monkeypatch.setenv("OF_MINE", CANARY)
    asked = {"prompt": "x"} if kind == "llm" else {"input": "x"}
    params = {"model": "m", "base_url": model.base_url, "api_key_env": "OF_MINE", **asked}

    def types(hosts, params=params, **given):
        document = {
            "inputs": {"token": {"secret": True, "required": False}},
            "secret_hosts": {"env.OF_MINE": hosts, "token": hosts},
            "nodes": [{"id": "ask", "type": kind, "params": params}],
        }
        result = batchmill.run(document, given)
        assert CANARY not in str(result.errors)
        return [error["type"] for error in result.errors]

    open_params = {name: value for name, value in params.items() if name != "api_key_env"}
    inside = {**open_params, next(iter(asked)): "is ${token} a token?"}
    assert types(["api.openai.com"]) == ["HostNotAllowed"]
    assert types(["api.openai.com"], inside, token="tok-of-another-kind") == ["HostNotAllowed"]
    assert model.asked == []
    model.answers = [(200, VECTORS, {}) if kind == "embeddings" else "hello"]
    assert types(["127.0.0.1"]) == []
    model.answers = [(307, {}, {"Location": model.base_url.replace("127.0.0.1", "localhost")})]
    assert types(["127.0.0.1"], inside, token="tok-of-another-kind") == ["HostNotAllowed"]
    close_resources()
