"""A canary in every place a secret can come from; then everything a run leaves behind is searched for it."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import batchmill
from batchmill.values.masking import MASK

CANARY = 'canary/7f "3a" +91&x'
KEY = "key-canary-5d20e8c1"
FORMS = [
    CANARY,
    KEY,
    quote(CANARY, safe=""),
    quote(CANARY),
    json.dumps(CANARY)[1:-1],
    json.dumps(json.dumps(CANARY))[1:-1],
    base64.b64encode(CANARY.encode()).decode().rstrip("=")[:-1],
    base64.b64encode(KEY.encode()).decode().rstrip("=")[:-1],
]

LEAKS = """
import base64, json, sys, urllib.parse
print("stdout has", token)
print("stderr has", token, file=sys.stderr)
result = {
    "raw": token,
    "url": "http://h/?q=" + urllib.parse.quote(token, safe=""),
    "json": json.dumps({"t": token}),
    "base64": base64.b64encode(token.encode()).decode(),
    "basic": base64.b64encode(("user:" + token).encode()).decode(),
    token: "as a key",
}
if i % 3 == 1:
    raise ValueError("failed with " + token + " and " + repr(token))
"""


def document(executor: str) -> dict[str, Any]:
    return {
        "inputs": {"token": {"type": "string", "secret": True}, "address": {"default": ""}},
        "nodes": [
            {
                "id": "leak",
                "type": "code",
                "params": {"code": LEAKS, "inputs": {"token": "${token}", "i": "${item}"}},
                "batch": {
                    "items": {"range": [0, 6]},
                    "executor": executor,
                    "error_handling": "continue",
                    "max_retries": 2,
                },
            },
            {
                "id": "command",
                "type": "shell",
                "params": {
                    "command": "echo ${token}; echo $CANARY_KEY 1>&2; echo ${leak.results[0].stdout}; exit 3",
                    "env": {"CANARY_KEY": "${token}"},
                    "ignore_errors": True,
                },
            },
            {
                "id": "ask",
                "type": "http",
                "params": {
                    "url": "${address}/echo?token=${token}",
                    "headers": {"X-Token": "${leak.results[0].result.base64}"},
                    "auth_token_env": "CANARY_KEY",
                },
                "retry": {"max": 2},
            },
        ],
        "edges": [
            {"from": "leak", "to": "command"},
            {"from": "command", "to": "ask"},
        ],
        "outputs": {
            "leaked": {"source": "${leak.results}"},
            "said": {"source": "${command.stdout}"},
            "asked": {"source": "${ask.response ?? null}"},
            "echoed": {"source": "got ${token}"},
        },
    }


class Echo(BaseHTTPRequestHandler):
    """Says everything back that it was sent, as a failure where the path asks for one."""

    def do_GET(self) -> None:
        said = json.dumps({"path": self.path, "headers": dict(self.headers)}).encode()
        self.send_response(500 if "/fail" in self.path else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def address():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def found_in(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


def everything_in(folder: Path) -> str:
    return "\n".join(
        path.read_bytes().decode("utf-8", "replace") for path in folder.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
@pytest.mark.parametrize("flags", [["--json", "-v"], ["-v", "--progress", "plain"], ["-q"]])
def test_nothing_that_a_run_leaves_behind_has_the_canary(
    executor, flags, address, tmp_path, monkeypatch, batchmill_command
):  # fmt: skip
    if executor != "process" and flags == ["-q"]:
        pytest.skip("quiet says the same on every executor")
    flow, params, home = tmp_path / "flow.json", tmp_path / "params.json", tmp_path / "home"
    home.mkdir()
    flow.write_text(json.dumps(document(executor)))
    params.write_text(json.dumps({"token": CANARY, "address": address}))
    monkeypatch.chdir(home)
    code, out, err = batchmill_command("run", str(flow), "--params", str(params), *flags, CANARY_KEY=KEY)
    assert code == 3, err
    assert found_in(out) == []
    assert found_in(err) == []
    assert found_in(everything_in(home)) == []
    if "--json" in flags:
        whole = json.loads(out)
        assert whole["outputs"]["echoed"] == f"got {MASK}"
        assert whole["outputs"]["leaked"][0]["result"]["raw"] == MASK
        assert MASK in json.dumps(whole["outputs"]["asked"])
        assert len(whole["errors"]) == 2


def test_a_failing_request_does_not_show_its_credentials(address, monkeypatch):
    monkeypatch.setenv("CANARY_KEY", KEY)
    events: list[Any] = []
    params = {"url": "${a}/fail?t=${t}", "auth_token_env": "CANARY_KEY"}
    flow = {
        "inputs": {"a": {}, "t": {"secret": True}},
        "nodes": [{"id": "ask", "type": "http", "params": params}],
    }
    run = batchmill.run(flow, {"a": address, "t": CANARY}, listeners=[events.append])
    assert run.status == "failed"
    assert MASK in json.dumps(run.as_json())
    assert found_in(json.dumps(run.as_json(), ensure_ascii=False)) == []
    assert found_in(repr(events)) == []


def test_results_that_go_to_a_file_are_masked(tmp_path):
    leak = {
        "id": "leak",
        "type": "code",
        "params": {"code": LEAKS, "inputs": {"token": "${token}", "i": "${item}"}},
        "batch": {
            "items": {"range": [0, 3]},
            "error_handling": "continue",
            "collect": {"jsonl": str(tmp_path / "results.jsonl"), "errors": str(tmp_path / "errors.jsonl")},
        },
    }
    run = batchmill.run({"inputs": {"token": {"secret": True}}, "nodes": [leak]}, {"token": CANARY})
    assert run.status == "degraded"
    written = (tmp_path / "results.jsonl").read_text() + (tmp_path / "errors.jsonl").read_text()
    assert len(written.splitlines()) == 3
    assert MASK in written
    assert found_in(written) == []


def test_commands_do_not_get_the_variables_that_hold_credentials(monkeypatch):
    monkeypatch.setenv("CANARY_KEY", KEY)
    monkeypatch.setenv("SAME_AS_INPUT", CANARY)
    monkeypatch.setenv("HARMLESS", "yes")
    seen = "env | grep -c -e CANARY_KEY -e SAME_AS_INPUT; echo $HARMLESS"
    shell = {"type": "shell", "params": {"command": seen, "ignore_errors": True}}
    ask = {
        "id": "ask",
        "type": "http",
        "params": {"url": "http://127.0.0.1:9/", "auth_token_env": "CANARY_KEY"},
    }
    passed = {"command": 'printf %s "$CANARY_KEY" | wc -c', "env": {"CANARY_KEY": "${token}"}}
    flow = {
        "inputs": {"token": {"secret": True}},
        "nodes": [
            {"id": "one", **shell},
            {"id": "many", **shell, "batch": {"items": [1, 2], "executor": "process"}},
            {"id": "given", "type": "shell", "params": passed},
            ask,
        ],
        "edges": [{"from": "one", "to": "many"}, {"from": "many", "to": "given"}],
        "outputs": {
            "one": {"source": "${one.stdout}"},
            "many": {"source": "${many.results[*].stdout}"},
            "given": {"source": "${given.stdout}"},
        },
    }
    run = batchmill.run(flow, {"token": CANARY})
    assert run.outputs["one"] == "0\nyes"
    assert run.outputs["many"] == ["0\nyes", "0\nyes"]
    assert int(run.outputs["given"]) == len(CANARY)


def test_answers_are_data_and_never_templates(address):
    """What a server, a command or a model says is not looked at for templates, however it is used."""
    sly = "${token} and $${token} and ${ask.error}"
    flow = {
        "inputs": {"token": {"secret": True}, "a": {}, "sly": {}},
        "nodes": [
            {
                "id": "ask",
                "type": "http",
                "params": {"url": "${a}/echo", "headers": {"X-Sly": "${sly}", "X-T": "${token}"}},
            },
            {"id": "run", "type": "shell", "params": {"command": "printf %s ${ask.response.headers.X-Sly}"}},
            {
                "id": "model",
                "type": "llm",
                "params": {"model": "m", "provider": "echo", "prompt": "${run.stdout}"},
            },
        ],
        "outputs": {"ran": {"source": "${run.stdout}"}, "model": {"source": "${model.response}"}},
    }
    run = batchmill.run(flow, {"token": CANARY, "a": address, "sly": sly})
    assert run.status == "success", run.errors
    assert run.outputs["ran"] == sly
    assert sly in str(run.outputs["model"])


LONG = "sk-proj-Zq8wE5gH7jK9mN1pQ3sT5vW7yZ9aB1cD3eF5gH7iJ9kL1mN3oP5qR7sT9uV1"


def parts_of_long(text: str) -> set[str]:
    """Stretches of LONG that are in ``text``."""
    return {LONG[at : at + 8] for at in range(len(LONG) - 7) if LONG[at : at + 8] in text}


@pytest.mark.parametrize("executor", ["sequential", "thread", "process"])
def test_texts_are_masked_before_they_are_cut(executor: str, tmp_path: Path) -> None:
    """Wherever the secret stands: the ends of messages go through it in one of the items."""
    cut = "head -c $(( ${item} )) /dev/zero | tr '\\0' x"
    node = {
        "id": "cut",
        "type": "shell",
        "params": {
            "command": f"printf %s ${{t}} >&2; {cut} >&2; {cut}; printf %s ${{t}}; exit 3",
            "max_output_bytes": 480,
        },
        "batch": {
            "items": {"range": [410, 500, 10]},
            "executor": executor,
            "error_handling": "continue",
            "max_concurrent": 2,
        },
    }
    run = batchmill.run(
        {"inputs": {"t": {"type": "string", "secret": True}}, "nodes": [node]},
        {"t": LONG},
        journal=tmp_path / "j.sqlite",
    )
    assert len(run.errors) >= 9
    assert MASK in json.dumps(run.as_json())
    assert not parts_of_long(json.dumps(run.as_json()) + everything_in(tmp_path))


@pytest.mark.parametrize("executor", ["thread", "process"])
def test_what_code_and_templates_cut_is_masked_first(executor: str) -> None:
    batch = {"items": {"range": [56]}, "executor": executor, "error_handling": "continue"}
    code = "raise ValueError('x' * (4950 + i) + t + 'y' * 5100)"
    nodes = [
        {
            "id": "raised",
            "type": "code",
            "params": {"code": code, "inputs": {"t": "${t}", "i": "${item}"}},
            "batch": batch,
        },
        {
            "id": "refused",
            "type": "shell",
            "params": {"command": "echo $((${t}))"},
            "batch": batch,
        },
    ]
    document = {"inputs": {"t": {"type": "string", "secret": True}}}
    for node in nodes:
        run = batchmill.run({**document, "nodes": [node]}, {"t": LONG})
        assert run.errors
        assert not parts_of_long(json.dumps(run.as_json()))


ORDINARY = {
    "nodes": [
        {
            "id": "ask",
            "type": "llm",
            "params": {"provider": "echo", "api_key": "ollama", "prompt": "compare ollama and vllm, ${item}"},
            "batch": {"items": [1, 2, 3]},
        },
        {"id": "fails", "type": "code", "params": {"code": "1/0"}},
    ]
}


def test_dummy_keys_and_words_stay_in_results_and_are_told(tmp_path: Path) -> None:
    run = batchmill.run(ORDINARY, journal=tmp_path / "j.sqlite")
    assert [call["response"] for call in run.llm_calls] == [
        f"compare ollama and vllm, {n}" for n in (1, 2, 3)
    ]
    (warning,) = run.warnings
    assert warning["code"] == "ordinary-secret"
    assert "`api_key` of the node `ask` is too ordinary" in warning["message"]
    resumed = batchmill.resume(journal=tmp_path / "j.sqlite")
    assert resumed.resumed["kept"] == 3
    document = {
        "inputs": {name: {"secret": True} for name in ("user", "pin", "key")},
        "nodes": [{"id": "a", "type": "echo", "params": {"message": "${user} ${pin} ${key}"}}],
        "outputs": {"said": {"source": "${a.echo}"}},
    }
    run = batchmill.run(document, {"user": "Siemens", "pin": "abc", "key": LONG})
    assert run.outputs["said"] == f"Siemens abc {MASK}"
    user, pin = (warning["message"] for warning in run.warnings)
    assert "the input `user` is too ordinary" in user
    assert "the input `pin` is too ordinary" in pin
    assert "Siemens" not in str(run.warnings)


def test_a_variable_is_not_withheld_for_a_word_that_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMPANY_NAME", "Siemens")
    monkeypatch.setenv("COMPANY_KEY", LONG)
    document = {
        "inputs": {"a": {"secret": True}, "b": {"secret": True}},
        "nodes": [
            {
                "id": "n",
                "type": "shell",
                "params": {"command": ": ${a} ${b}; echo $COMPANY_NAME $COMPANY_KEY"},
            }
        ],
        "outputs": {"said": {"source": "${n.stdout}"}},
    }
    assert batchmill.run(document, {"a": "Siemens", "b": LONG}).outputs["said"] == "Siemens"
