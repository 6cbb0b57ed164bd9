"""What an outcome depends on: edits that cannot change it pay for nothing again, others are told by name."""

from __future__ import annotations

import json

import pytest

import batchmill

SAME, OTHER = "kept", "changed"


@pytest.fixture
def runner(tmp_path, monkeypatch):
    """``runner(document, edited)``: the counts of a run that is resumed after an edit, and what changed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLD_KEY", "sk-old-key")
    monkeypatch.setenv("NEW_KEY", "sk-new-key")

    def run(before, after, inputs=None, now=None):
        file = tmp_path / "flow.json"
        file.write_text(json.dumps(before))
        first = batchmill.run(file, inputs, journal=tmp_path / "j.sqlite")
        file.write_text(json.dumps({**after, "nodes": [*after["nodes"], END]}))
        again = batchmill.resume("last", now, journal=tmp_path / "j.sqlite")
        assert again.status == first.status == "success", (first.errors, again.errors)
        assert len(again.llm_calls) >= len(first.llm_calls)
        return {name: count for name, count in again.resumed.items() if count}, dict(again.changed_by)

    return run


END = {"id": "end", "type": "echo", "params": {"message": "so that there is something to do"}}


def flow(node, **more):
    return {"nodes": [node], **more}


def ask(batch=True, settings=None, **params):
    node = {
        "id": "ask",
        "type": "llm",
        "params": {"provider": "echo", "model": "m", "prompt": "Say ${item}", **params},
    }
    if not batch:
        node["params"]["prompt"] = params.get("prompt", "Say it")
        return {**node, **(settings or {})}
    return {**node, "batch": {"items": ["a", "b"], **(settings or {})}}


UNTOUCHED = {
    "a timeout": ({"timeout": 7}, {"timeout": 77}),
    "a timeout that was not there": ({}, {"timeout": 77}),
    "the variable of the key": ({"api_key_env": "OLD_KEY"}, {"api_key_env": "NEW_KEY"}),
    "a key": ({"api_key": "sk-one-key"}, {"api_key": "sk-two-key"}),
    "where the server is": ({"base_url": "http://a/v1"}, {"base_url": "http://b/v1"}),
    "the size of answers": ({}, {"max_response_bytes": 10**6}),
    "what holds anyway": ({}, {"on_missing": "record", "temperature": None}),
}


@pytest.mark.slow
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("edit", UNTOUCHED)
def test_edits_that_cannot_change_an_answer_keep_it(runner, edit, batch):
    before, after = UNTOUCHED[edit]
    count = 2 if batch else 1
    told, changes = runner(flow(ask(batch, **before)), flow(ask(batch, **after)))
    assert (told, changes) == ({"kept": count, "new": 1}, {})


TOUCHED = {
    "the prompt": ({}, {"prompt": "Tell ${item}"}, ["prompt"]),
    "the model": ({}, {"model": "n"}, ["model"]),
    "how freely": ({"temperature": 0}, {"temperature": 1}, ["temperature"]),
    "a limit of the answer": ({}, {"max_tokens": 50}, ["max_tokens"]),
    "the system message": ({}, {"system": "Be short"}, ["system"]),
    "two at once": ({}, {"model": "n", "prompt": "Tell ${item}", "timeout": 5}, ["model", "prompt"]),
}


@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("edit", TOUCHED)
def test_edits_that_change_an_answer_are_told_by_name(runner, edit, batch):
    before, after, names = TOUCHED[edit]
    count = 2 if batch else 1
    if not batch and "prompt" in after:
        after = {**after, "prompt": "Tell it"}
    told, changes = runner(flow(ask(batch, **before)), flow(ask(batch, **after)))
    assert told == {"changed": count, "new": 1}
    assert {node: sorted(found) for node, found in changes.items()} == {"ask": names}


@pytest.mark.parametrize(
    "settings",
    [
        {"executor": "thread", "max_concurrent": 3},
        {"max_retries": 5, "retry_wait": 0.1},
        {"timeout": 60},
        {"rate_limit": {"per_second": 1000}},
        {"error_handling": "continue"},
    ],
)
def test_settings_of_a_batch_are_no_content(runner, settings):
    assert runner(flow(ask()), flow(ask(settings=settings))) == ({"kept": 2, "new": 1}, {})


def test_the_order_of_params_and_words_for_people_are_no_content(runner):
    before = ask(temperature=0.5)
    after = {**before, "purpose": "to be read", "params": dict(reversed(before["params"].items()))}
    assert runner(flow(before), flow(after)) == ({"kept": 2, "new": 1}, {})


def test_a_value_counts_and_not_how_it_is_written(runner):
    inputs = {"which": {"type": "string", "default": "m"}, "who": {"type": "string", "default": "you"}}
    before = flow(ask(batch=False, prompt="Say it to you"))
    after = flow(ask(batch=False, model="${which}", prompt="Say it to ${who}"), inputs=inputs)
    assert runner(before, after) == ({"kept": 1, "new": 1}, {})


def test_another_value_of_an_input_is_told_by_the_param_that_takes_it(runner):
    inputs = {"who": {"type": "string", "default": "you"}, "key": {"type": "string", "default": "sk-old-key"}}
    document = flow(ask(prompt="Say ${item} to ${who}", api_key="${key}"), inputs=inputs)
    assert runner(document, document, now={"key": "sk-new-key"}) == ({"kept": 2, "new": 1}, {})
    assert runner(document, document, now={"who": "me"}) == ({"changed": 2, "new": 1}, {"ask": ["prompt"]})


def test_a_key_that_comes_with_the_item_belongs_to_it_and_one_beside_it_does_not(runner):
    keys = {"id": "keys", "type": "code", "params": {"code": "result = ['sk-one-key', 'sk-two-key']"}}
    asking = ask(api_key="${keys.result[${__index__}]}")
    other = {**keys, "params": {"code": "result = ['sk-three-key', 'sk-four-key']"}}
    before, after = {"nodes": [keys, asking]}, {"nodes": [other, asking]}
    assert runner(before, after) == ({"kept": 2, "changed": 1, "new": 1}, {"keys": ["code"]})


def inner(**params):
    return {
        "inputs": {"word": {"type": "string"}},
        "nodes": [ask(batch=False, prompt="in ${word}", **params)],
    }


def each(workflow):
    params = {"workflow": workflow, "inputs": {"word": "${item}"}}
    return flow({"id": "each", "type": "workflow", "params": params, "batch": {"items": ["a", "b"]}})


INSIDE = {
    "a timeout": (inner(timeout=5), SAME),
    "where the server is": (inner(base_url="http://b/v1"), SAME),
    "prices": ({**inner(), "prices": {"m": {"input": 1, "output": 1}}}, SAME),
    "retries": ({**inner(), "nodes": [{**inner()["nodes"][0], "retry": {"max": 3}}]}, SAME),
    "words": ({**inner(), "inputs": {"word": {"type": "string", "description": "a word"}}}, SAME),
    "the model": (inner(model="n"), OTHER),
    "an output": ({**inner(), "outputs": {"said": {"source": "${ask.response}"}}}, OTHER),
}


@pytest.mark.parametrize("edit", INSIDE)
def test_the_same_holds_for_workflows_inside(runner, edit):
    after, outcome = INSIDE[edit]
    changes = {} if outcome == SAME else {"each": ["the workflow inside"]}
    assert runner(each(inner()), each(after)) == ({outcome: 2, "new": 1}, changes)


def test_a_file_that_is_read_belongs_to_what_comes_of_it(runner, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    node = {
        "id": "read",
        "type": "read-file",
        "params": {"file_path": "${item}"},
        "batch": {"items": ["a", "b"]},
    }
    one = {"id": "one", "type": "read-file", "params": {"file_path": "a"}}
    document = {"nodes": [node, one]}
    file, journal = tmp_path / "flow.json", tmp_path / "j.sqlite"
    file.write_text(json.dumps(document))
    batchmill.run(file, journal=journal)
    (tmp_path / "a").write_text("another text")
    file.write_text(json.dumps({"nodes": [node, one, END]}))
    run = batchmill.resume("last", journal=journal)
    assert run.resumed == {"kept": 1, "redone": 0, "new": 1, "changed": 2, "gone": 0}
    assert run.changed_by == {
        "read": ["what its items refer to (1 item, such as item 0: the file a)"],
        "one": ["the file a"],
    }


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        ({"headers": {"X-Kind": "a", "Authorization": "Bearer two"}}, SAME),
        ({"headers": {"X-Kind": "a", "Cookie": "session=2"}}, SAME),
        ({"auth_token": "tok-two", "headers": {"X-Kind": "a"}}, SAME),
        ({"max_redirects": 1, "timeout": 5, "max_response_bytes": 10**6, "headers": {"X-Kind": "a"}}, SAME),
        ({"headers": {"X-Kind": "b"}}, OTHER),
        ({"headers": {"X-Kind": "a"}, "params": {"page": 2}}, OTHER),
    ],
)
def test_credentials_of_requests_are_no_content(after, outcome):
    from batchmill.nodes.http.node import HttpNode

    before = {"url": "http://h/", "headers": {"X-Kind": "a", "Authorization": "Bearer one"}}
    same = HttpNode.content(before) == HttpNode.content({"url": "http://h/", **after})
    assert same is (outcome == SAME)


def test_the_users_code_is_told_by_name(runner, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "content_of_functions.py"
    module.write_text("def double(n):\n    return 2 * n\n")
    node = {
        "id": "each",
        "type": "python",
        "params": {"function": "content_of_functions:double", "inputs": {"n": "${item}"}},
        "batch": {"items": [1, 2]},
    }
    file, journal = tmp_path / "flow.json", tmp_path / "j.sqlite"
    file.write_text(json.dumps(flow(node)))
    batchmill.run(file, journal=journal)
    module.write_text("def double(n):\n    return n + n\n")
    file.write_text(json.dumps({"nodes": [node, END]}))
    assert batchmill.resume("last", journal=journal).changed_by == {"each": ["its code"]}


def test_a_module_that_the_users_code_imports_is_told_by_name(runner, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    helper = tmp_path / "helper_of_functions.py"
    helper.write_text("FACTOR = 2\n")
    (tmp_path / "main_of_functions.py").write_text(
        "from helper_of_functions import FACTOR\n\ndef double(n):\n    return FACTOR * n\n"
    )
    python = {"function": "main_of_functions:double", "inputs": {"n": "${item}"}}
    each = {"id": "each", "type": "python", "params": python, "batch": {"items": [1, 2]}}
    code = {"id": "one", "type": "code", "params": {"code": "import helper_of_functions\nresult = 1"}}
    inside = {"workflow": {"inputs": {"n": {}}, "nodes": [{**each, "batch": {"items": ["${n}"]}}]}}
    sub = {**each, "id": "sub", "type": "workflow", "params": {**inside, "inputs": {"n": "${item}"}}}
    nodes = [each, code, sub]
    file, journal = tmp_path / "flow.json", tmp_path / "j.sqlite"
    file.write_text(json.dumps({"nodes": nodes}))
    batchmill.run(file, journal=journal)
    helper.write_text("FACTOR = 3\n")
    file.write_text(json.dumps({"nodes": [*nodes, END]}))
    told = ["the module helper_of_functions"]
    changed = {"each": told, "one": told, "sub": ["the workflow inside"]}
    assert batchmill.resume("last", journal=journal).changed_by == changed


def test_the_command_says_what_changed(batchmill_command, tmp_path):
    file = tmp_path / "flow.json"
    file.write_text(json.dumps(flow(ask())))
    assert batchmill_command("run", "flow.json", "-q")[0] == 0
    file.write_text(json.dumps(flow(ask(model="n", system="Be short"))))
    code, out, err = batchmill_command("resume", "last", "--progress", "none", "--json")
    assert code == 0
    assert "0 kept, 0 redone, 0 new, 2 changed, 0 gone; earlier passes: 2 calls, " in err
    assert "  ask changed by `model`, `system`" in err
    told = json.loads(out)["resumed"]
    assert told["changed_by"] == {"ask": ["model", "system"]}
    assert told["spent_before"]["calls"] == 2


def test_paths_with_a_secret_are_saved_without_it(tmp_path, monkeypatch):
    secret, other = "s3cr3t-Qwertz-98x", "s3cr3t-Uiop-77y"
    monkeypatch.chdir(tmp_path)
    for name in (secret, other):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_text("a\n1\n2\n")
    rows = {"items": {"csv": "${t}/rows.csv"}, "batch_size": 2}
    nodes = [
        {"id": "read", "type": "read-file", "params": {"file_path": "${t}/rows.csv"}},
        {"id": "rows", "type": "echo", "params": {"message": "${item[0].a}"}, "batch": rows},
    ]
    document = {"inputs": {"t": {"type": "string", "secret": True}}, "nodes": nodes}
    journal = tmp_path / "j.sqlite"
    batchmill.run(document, {"t": secret}, journal=journal)
    again = batchmill.resume("last", {"t": secret}, journal=journal)
    assert again.resumed["kept"] == 1  # that of `read` has the path in it
    (tmp_path / secret / "rows.csv").write_text("a\n1\n2\n3\n")
    again = batchmill.resume("last", {"t": secret}, journal=journal)
    assert again.changed_by["read"] == ["the file ***/rows.csv"]
    batchmill.resume("last", {"t": other}, journal=journal)
    for file in tmp_path.glob("j.sqlite*"):
        if file.is_file():
            assert b"s3cr3t" not in file.read_bytes(), file
