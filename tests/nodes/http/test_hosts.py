"""Where ``http`` goes: addresses behind names, names in data, redirects inside."""

from __future__ import annotations

import pytest

import batchmill
from batchmill.errors import NodeError

INSIDE = "http://inside.example"


def get(url, **more):
    return {"nodes": [{"id": "get", "type": "http", "params": {"url": url, "max_redirects": 2}, **more}]}


def gotten(document, inputs=None, **more):
    """The texts that came back, or the type of the error of each item."""
    node = document["nodes"][-1]
    wanted = ["results", "errors"] if "batch" in node else ["response"]
    outputs = {name: {"source": f"${{get.{name}}}"} for name in wanted}
    document = {**document, "inputs": {name: {} for name in inputs or ()}, "outputs": outputs}
    result = batchmill.run(document, inputs or {}, **more)
    if "batch" not in node:
        return result.outputs["response"] if result.status == "success" else result.errors[0]["type"]
    failed = {error["index"]: error["type"] for error in result.outputs["errors"] or ()}
    return [failed.get(place, one and one["response"]) for place, one in enumerate(result.outputs["results"])]


def over(items, **more):
    return {"batch": {"items": items, "error_handling": "continue", **more}}


def test_hosts_of_the_document_and_its_inputs_may_be_private(server, reply, names):
    server.on("/x", reply(200, "x"))
    names["inside.example"] = ["127.0.0.1"]
    url = f"{INSIDE}:{server.port}/x"
    assert gotten(get(url)) == "x"
    assert gotten(get("${base}/x"), {"base": server.url}) == "x"
    assert gotten(get("http://${host}/x"), {"host": f"127.0.0.1:{server.port}"}) == "x"
    assert gotten(get("${item}", **over([url]))) == ["x"]
    assert gotten(get("${item}", **over("${urls}")), {"urls": [url]}) == ["x"]
    assert gotten(get(f"{INSIDE}:{server.port}/${{item}}", **over({"range": [1]}))) != ["HostNotAllowed"]


def test_hosts_that_data_names_may_not(server, reply, names, tmp_path):
    server.on("/x", reply(200, "x"))
    names["inside.example"] = ["127.0.0.1"]
    urls = [f"{INSIDE}:{server.port}/x", f"{server.url}/x", f"http://[::1]:{server.port}/x"]
    (tmp_path / "urls.txt").write_text("\n".join([*urls, f"http://2130706433:{server.port}/x"]))
    names["2130706433"] = ["127.0.0.1"]
    lines = {"lines": str(tmp_path / "urls.txt")}
    assert gotten(get("${item}", **over(lines))) == ["HostNotAllowed"] * 4
    assert gotten(get("http://${item}/x", **over({"lines": _hosts(tmp_path, server)}))) == ["HostNotAllowed"]
    assert server.received == []
    allowed = get("${item}", **over(lines))
    allowed["nodes"][0]["params"]["allow_private"] = True
    assert gotten(allowed)[:2] == ["x", "x"]


def _hosts(folder, server):
    (folder / "hosts.txt").write_text(f"127.0.0.1:{server.port}")
    return str(folder / "hosts.txt")


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_what_a_node_gave_is_data(server, reply, executor):
    server.on("/list", reply(200, {"urls": [f"{server.url}/x"], "path": "x"}))
    server.on("/x", reply(200, "x"))
    document = get("${item}", **over("${list.response.urls}", executor=executor))
    document["nodes"].insert(0, {"id": "list", "type": "http", "params": {"url": f"{server.url}/list"}})
    assert gotten(document) == ["HostNotAllowed"]
    document["nodes"][1] = {
        "id": "get",
        "type": "http",
        "params": {"url": f"{server.url}/${{list.response.path}}"},
    }
    assert gotten(document) == "x"


def test_data_in_the_inputs_of_a_workflow_inside(server, reply, tmp_path):
    server.on("/x", reply(200, "x"))
    inside = {"inputs": {"url": {}}, "nodes": [{"id": "g", "type": "http", "params": {"url": "${url}"}}]}
    inside["outputs"] = {"response": {"source": "${g.response}"}}
    (tmp_path / "urls.txt").write_text(f"{server.url}/x")

    def document(items):
        params = {"workflow": inside, "inputs": {"url": "${item}"}}
        return {"nodes": [{"id": "get", "type": "workflow", "params": params, **over(items)}]}

    assert gotten(document({"lines": str(tmp_path / "urls.txt")})) == ["HostNotAllowed"]
    assert gotten(document([f"{server.url}/x"])) == ["x"]


def test_pages_of_the_same_server(server, other_server, reply):
    server.on("/1", reply(200, {"next": f"{server.url}/2"}))
    server.on("/2", reply(200, {"next": f"{other_server.url}/3"}))
    other_server.on("/3", reply(200, {"next": ""}))
    loop = {
        "until": "${get.response.next == ''}",
        "carry": {"url": "${get.response.next}"},
        "max_iterations": 5,
    }
    assert gotten(get(f"{server.url}/1", loop=loop)) == "HostNotAllowed"
    assert [len(server.received), len(other_server.received)] == [2, 0]


def test_redirects_inside(run, server, other_server, reply, names, monkeypatch):
    url = server.on("/x", reply(302, b"", {"Location": f"{INSIDE}:{other_server.port}/y"}))
    other_server.on("/y", reply(200, "y"))
    names["inside.example"] = ["169.254.169.254"]
    with pytest.raises(NodeError, match=r"'inside.example' was not asked: it is at 169\.254"):
        run("http", url=url)
    names["inside.example"] = ["127.0.0.1"]
    assert run("http", url=url).outputs["response"] == "y"  # from one private server to another
    monkeypatch.setattr("batchmill.nodes.access.policy._is_private", lambda address: False)
    names["inside.example"] = ["127.0.0.1"]
    with pytest.raises(NodeError, match="only data names it"):
        run("http", url=url)
    assert run("http", url=url, allow_private=True).outputs["response"] == "y"
    hosts = ["127.0.0.1", "inside.example"]
    assert run("http", url=url, allow_hosts=hosts).outputs["response"] == "y"
    assert run("http", url=url, allow_hosts=["127.0.0.0/8"]).outputs["response"] == "y"
    with pytest.raises(NodeError, match="`allow_private` is false"):
        run("http", url=url, allow_private=False)


def test_what_is_asked_is_what_was_looked_at(server, reply, names, tmp_path):
    server.on("/x", reply(200, "x"))
    (tmp_path / "urls.txt").write_text(f"{INSIDE}:{server.port}/x")
    names["inside.example"] = (["127.0.0.1"], ["127.0.0.1"])
    document = get("${item}", **over({"lines": str(tmp_path / "urls.txt")}))
    assert gotten(document) == ["HostNotAllowed"]
    assert names.asked == ["inside.example"]


def test_a_kept_connection_is_for_those_who_may_use_it(run, server, reply):
    url = server.on("/x", reply(200, "x"))
    run("http", url=url)
    with pytest.raises(NodeError, match="`allow_private` is false"):
        run("http", url=url, allow_private=False)
    assert len(server.received) == 1
