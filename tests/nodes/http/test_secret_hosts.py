"""Secrets that a document binds to hosts: which requests with them are sent."""

from __future__ import annotations

import base64

import pytest

import batchmill
from batchmill.errors import InvalidDocument, InvalidSetting

SECRET = "tok-canary-0123456789"


def get(params, hosts, **more):
    node = {"id": "get", "type": "http", "params": params, **more}
    return {
        "inputs": {"token": {"secret": True, "required": False}},
        "secret_hosts": {"token": hosts},
        "nodes": [node],
        "outputs": {"response": {"source": "${get.response}"}},
    }


def sent(document, token=SECRET):
    """The answer, or the message of the error, which must be that of a forbidden host."""
    result = batchmill.run(document, {"token": token})
    if result.status == "success":
        return result.outputs["response"]
    assert [error["type"] for error in result.errors] == ["HostNotAllowed"], result.errors
    assert SECRET not in str(result.errors)
    return result.errors[0]["message"]


WAYS = {
    "token": {"auth_token": "${token}"},
    "key": {"api_key": "${token}"},
    "header": {"headers": {"X-Of-Mine": "a ${token}"}},
    "query": {"params": {"q": "${token}"}},
    "body": {"body": {"deep": [{"said": "it is ${token}"}]}},
    "form": {"form": {"t": "${token}"}},
    "base64": {"headers": {"Authorization": "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()}},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_secret_goes_to_its_hosts_only(server, reply, way):
    url = server.on("/x", reply(200, "x"))
    message = sent(get({"url": url, **WAYS[way]}, ["api.example.com", "*.example.org"]))
    assert "holds the secret `token`" in message
    assert "api.example.com, *.example.org only" in message
    assert server.received == []
    assert sent(get({"url": url, **WAYS[way]}, ["127.0.0.1"])) == "x"
    assert sent(get({"url": url, **WAYS[way]}, ["127.0.0.0/8"])) == "x"


def test_requests_without_it_go_anywhere(server, reply):
    assert sent(get({"url": server.on("/x", reply(200, "x"))}, ["api.example.com"])) == "x"
    assert sent(get({"url": f"{server.url}/x", "params": {"t": "${token}"}}, ["a.example"]), None) == "x"


def test_a_port_is_part_of_the_host(server, other_server, reply):
    params = {"url": server.on("/x", reply(200, "x")), "auth_token": "${token}"}
    assert sent(get(params, [f"127.0.0.1:{server.port}"])) == "x"
    assert "only" in sent(get(params, [f"127.0.0.1:{other_server.port}"]))


def test_a_redirect(server, other_server, reply):
    """Credentials stay behind by themselves; a secret elsewhere in the request keeps it from being sent."""
    other_server.on("/y", reply(200, "y"))
    url = server.on("/x", reply(307, b"", {"Location": f"{other_server.url}/y"}))
    own = [f"127.0.0.1:{server.port}"]
    assert sent(get({"url": url, "auth_token": "${token}"}, own)) == "y"
    assert "authorization" not in {name.lower() for name in other_server.received[0].headers}
    assert "holds the secret" in sent(get({"url": url, "body": "${token}"}, own))
    back = server.on("/back", reply(307, b"", {"Location": f"{other_server.url}/y?t={SECRET}"}))
    assert "holds the secret" in sent(get({"url": back}, own))
    assert len(other_server.received) == 1


def test_a_name_that_leads_inside(server, reply, names):
    server.on("/x", reply(200, "x"))
    names["api.example.com"] = ["127.0.0.1"]
    params = {"url": f"http://api.example.com:{server.port}/x", "auth_token": "${token}"}
    hosts = ["api.example.com"]
    message = sent(get(params, hosts))
    assert "it is at 127.0.0.1" in message
    assert "set `allow_private` to true" in message
    assert server.received == []
    assert sent(get({**params, "allow_private": True}, hosts)) == "x"
    assert "networks of `allow_hosts`" in sent(
        get({**params, "allow_hosts": ["10.0.0.0/8"]}, ["127.0.0.0/8"])
    )


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_urls_of_items(server, other_server, reply, tmp_path, executor):
    for one in (server, other_server):
        one.on("/x", reply(200, "x"))
    (tmp_path / "urls.txt").write_text(f"{server.url}/x\n{other_server.url}/x")
    params = {"url": "${item}", "auth_token": "${token}", "allow_private": True}
    batch = {"items": {"lines": str(tmp_path / "urls.txt")}, "executor": executor}
    document = get(params, [f"127.0.0.1:{server.port}"], batch={**batch, "error_handling": "continue"})
    document["outputs"] = {"results": {"source": "${get.results}"}}
    result = batchmill.run(document, {"token": SECRET})
    assert [error["type"] for error in result.errors] == ["HostNotAllowed"]
    assert [len(server.received), len(other_server.received)] == [1, 0]


def test_a_variable_of_the_environment(server, reply, monkeypatch):
    monkeypatch.setenv("OF_MINE", SECRET)
    params = {"url": server.on("/x", reply(200, {"x": 1})), "auth_token_env": "OF_MINE"}
    document = {**get(params, []), "secret_hosts": {"env.OF_MINE": ["api.example.com"]}}
    assert "the secret `env.OF_MINE`" in sent(document)
    assert sent({**document, "secret_hosts": {"env.OF_MINE": ["127.0.0.1"]}}) == {"x": 1}


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_workflows_inside(server, reply, executor):
    """What binds a secret outside binds it inside, and a workflow inside binds its own."""
    url = server.on("/x", reply(200, "x"))
    inside = {
        "inputs": {"key": {"secret": True}},
        "nodes": [{"id": "get", "type": "http", "params": {"url": url, "auth_token": "${key}"}}],
    }
    params = {"workflow": inside, "inputs": {"key": "${token}"}}
    document = get({}, ["api.example.com"])
    document["outputs"] = {}
    document["nodes"] = [{"id": "in", "type": "workflow", "params": params}]
    document["nodes"][0]["batch"] = {"items": [1], "executor": executor}
    assert "the secret `token`" in sent(document)
    inside["secret_hosts"] = {"key": ["api.example.com"]}
    del document["secret_hosts"]
    assert "the secret `key`" in sent(document)
    assert server.received == []


def test_faults_of_the_declaration():
    document = get({"url": "https://a.example"}, ["https://a.example"])
    document["inputs"]["open"] = {"required": False}
    document["secret_hosts"] |= {"open": ["a.example"], "tokne": ["a.example"], "env.X": ["10.0.0.0/8"]}
    with pytest.raises(InvalidDocument) as caught:
        batchmill.run(document)
    found = {problem.path: f"{problem.message}; {problem.hint}" for problem in caught.value.problems}
    assert sorted(found) == ["$.secret_hosts.open", "$.secret_hosts.token[0]", "$.secret_hosts.tokne"]
    assert "did you mean `token`" in found["$.secret_hosts.tokne"]
    assert '"secret": true' in found["$.secret_hosts.open"]
    assert "must be a host such as" in found["$.secret_hosts.token[0]"]


def test_a_value_that_is_no_secret_is_refused():
    with pytest.raises(InvalidSetting, match=r"'token'.* too ordinary to be recognised"):
        batchmill.run(get({"url": "https://a.example"}, ["a.example"]), {"token": "ollama"})
