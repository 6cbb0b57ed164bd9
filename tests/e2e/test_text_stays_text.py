"""Text that looks like JSON goes through every place as the text it is, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import batchmill

EXECUTORS = ("sequential", "thread", "process")
TEXTS = [
    '{"price": 1.10, "id": 1e400}',
    "[1, 2]",
    " [1.0]\n",
    '{"a": 1, "a": 2}',
    "[NaN]",
    '{ "b" : "\\u00e9" }',
    "[draft]",
    "007",
    "null",
    '"quoted"',
]


def one(kind: str, params: dict[str, Any], output: str, **more: Any) -> Any:
    """The output of a node that is given the input ``x``."""

    def of(text: str) -> Any:
        document = {
            "inputs": {"x": {"type": "string"}},
            "nodes": [{"id": "a", "type": kind, "params": params, **more}],
            "outputs": {"o": {"source": output}},
        }
        run = batchmill.run(document, {"x": text})
        assert run.status == "success", run.errors
        return run.outputs["o"]

    return of


PLACES = {
    "stdin": one("shell", {"command": "cat", "stdin": "${x}", "strip_newline": False}, "${a.stdout}"),
    "argument": one("shell", {"command": ["printf", "%s", "${x}"], "strip_newline": False}, "${a.stdout}"),
    "env": one(
        "shell",
        {"command": 'printf %s "$V"', "env": {"V": "${x}"}, "strip_newline": False},
        "${a.stdout}",
    ),
    "command": one("shell", {"command": 'printf %s "${x}"', "strip_newline": False}, "${a.stdout}"),
    "message": one("echo", {"message": "${x}"}, "${a.echo}"),
    "data": one("echo", {"data": {"in": ["${x}"]}}, "${a.data.in[0]}"),
    "code": one("code", {"code": "result = x", "inputs": {"x": "${x}"}}, "${a.result}"),
    "declared": one("code", {"code": "x: str\nresult = x", "inputs": {"x": "${x}"}}, "${a.result}"),
    "function": one("python", {"function": "copy:copy", "args": ["${x}"]}, "${a.result}"),
    "first": one("merge", {"inputs": ["${x}"], "mode": "first"}, "${a.result}"),
    "array": one("merge", {"inputs": ["${x}"]}, "${a.result[0]}"),
    "prompt": one(
        "llm",
        {"prompt": "${x}", "provider": "echo", "model": "any"},
        "${a.response}",
    ),
    "output": one("code", {"code": "result = x", "inputs": {"x": "${x}"}}, "${a.result}"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("text", TEXTS)
def test_every_place_gets_the_text(place: str, text: str) -> None:
    assert PLACES[place](text) == text


@pytest.mark.parametrize("text", TEXTS)
def test_a_file_that_is_read_and_written_is_the_same(text: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_text(text)
    nodes = [
        {"id": "r", "type": "read-file", "params": {"file_path": str(tmp_path / "in")}},
        {
            "id": "w",
            "type": "write-file",
            "params": {"file_path": str(tmp_path / "o"), "content": "${r.content}"},
        },
    ]
    assert batchmill.run({"nodes": nodes}).status == "success"
    assert (tmp_path / "o").read_bytes() == text.encode()


@pytest.mark.parametrize("executor", EXECUTORS)
def test_items_of_lines_and_cells_stay_text_on_every_executor(executor: str, tmp_path: Path) -> None:
    lines = [text for text in TEXTS if "\n" not in text]
    (tmp_path / "lines").write_text("\n".join(lines))
    code = {"code": "result = [type(i).__name__, i, i]", "inputs": {"i": "${item}"}}
    nodes = [
        {
            "id": "a",
            "type": "code",
            "params": code,
            "batch": {"items": {"lines": str(tmp_path / "lines")}, "executor": executor, "max_concurrent": 2},
        }
    ]
    outputs = {"r": {"source": "${a.results[*].result}"}, "i": {"source": "${a.results[*].item}"}}
    run = batchmill.run({"nodes": nodes, "outputs": outputs})
    assert run.outputs == {"r": [["str", line, line] for line in lines], "i": lines}


def test_a_resumed_run_has_the_same_values(tmp_path: Path) -> None:
    code = "import os, pathlib\nif not pathlib.Path(flag).exists(): 1 // 0\nresult = x"
    nodes = [
        {"id": "a", "type": "echo", "params": {"message": "${x}"}},
        {
            "id": "b",
            "type": "code",
            "params": {"code": code, "inputs": {"x": "${a.echo}", "flag": str(tmp_path / "flag")}},
        },
    ]
    document = {"inputs": {"x": {}}, "nodes": nodes, "outputs": {"o": {"source": "${b.result}"}}}
    run = batchmill.run(document, {"x": "[1, 2]"}, journal=tmp_path / "j.sqlite")
    assert run.status == "failed"
    (tmp_path / "flag").touch()
    again = batchmill.resume(run.run, journal=tmp_path / "j.sqlite")
    assert again.outputs == {"o": "[1, 2]"}
    assert again.resumed is not None
    assert again.resumed["kept"] == 1


def test_lines_are_appended_as_they_are(tmp_path: Path) -> None:
    rows = ['{"a": 1,  "b": 2}', "[1.0]"]
    (tmp_path / "rows").write_text("\n".join(rows))
    params = {"file_path": str(tmp_path / "all"), "content": "${item}\n", "append": True}
    whole = {"file_path": str(tmp_path / "last"), "content": "${item}", "append": True}
    batch = {"items": {"lines": str(tmp_path / "rows")}}
    nodes = [
        {"id": "a", "type": "write-file", "params": params, "batch": batch},
        {"id": "b", "type": "write-file", "params": whole, "batch": batch},
    ]
    assert batchmill.run({"nodes": nodes}).status == "success"
    assert (tmp_path / "all").read_text() == "\n".join(rows) + "\n"
    assert (tmp_path / "last").read_text() == "".join(rows)


def test_texts_are_joined_as_texts() -> None:
    params = {"inputs": ["${x}", "${x}"], "mode": "concat", "separator": "\n"}
    assert one("merge", params, "${a.result}")("[1.0]") == "[1.0]\n[1.0]"


def test_a_file_whose_name_is_json_is_found_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("[1, 2]").write_text("in it")
    node = {
        "id": "a",
        "type": "read-file",
        "params": {"file_path": "${item}"},
        "batch": {"items": {"glob": "*"}},
    }
    run = batchmill.run({"nodes": [node], "outputs": {"o": {"source": "${a.results[0].content}"}}})
    assert run.outputs == {"o": "in it"}


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("rows: list\nresult = rows", "rows"),
        ("rows: list[int] | None\nresult = rows", "rows"),
        ("result = rows\nrows: Optional[list]", "rows"),
    ],
)
def test_code_that_declares_a_list_is_given_one(code: str, name: str) -> None:
    place = one("code", {"code": code, "inputs": {name: "${x}"}}, "${a.result}")
    assert place("[1, 2]") == [1, 2]


def test_code_that_declares_a_list_is_told_why_text_is_none() -> None:
    document = {
        "inputs": {"x": {}},
        "nodes": [
            {"id": "a", "type": "code", "params": {"code": "x: dict\nresult = x", "inputs": {"x": "${x}"}}}
        ],
    }
    run = batchmill.run(document, {"x": '{"a": 1, "a": 2}'})
    assert 'the key "a" stands twice' in run.errors[0]["message"]


def test_params_inputs_and_items_that_are_lists_are_read_out_of_text() -> None:
    inner = {
        "inputs": {"rows": {"type": "array"}, "text": {"type": "string"}},
        "nodes": [{"id": "e", "type": "echo", "params": {"data": ["${rows}", "${text}"]}}],
        "outputs": {"o": {"source": "${e.data}"}},
    }
    nodes = [
        {"id": "s", "type": "shell", "params": {"command": "echo '[1, 2]'"}},
        {"id": "b", "type": "echo", "params": {"message": "${item}"}, "batch": {"items": "${s.stdout}"}},
        {"id": "p", "type": "python", "params": {"function": "operator:add", "args": "${s.stdout}"}},
        {
            "id": "w",
            "type": "workflow",
            "params": {"workflow": inner, "inputs": {"rows": "${s.stdout}", "text": "${s.stdout}"}},
        },
    ]
    outputs = {
        "b": {"source": "${b.results[*].echo}"},
        "p": {"source": "${p.result}"},
        "w": {"source": "${w.o}"},
        "list": {"source": "${s.stdout}", "type": "array"},
        "text": {"source": "${s.stdout}", "type": "string"},
        "any": {"source": "${s.stdout}"},
    }
    run = batchmill.run({"nodes": nodes, "outputs": outputs})
    assert run.outputs == {
        "b": ["1", "2"],
        "p": 3,
        "w": [[1, 2], "[1, 2]"],
        "list": [1, 2],
        "text": "[1, 2]",
        "any": "[1, 2]",
    }


def test_an_input_read_from_standard_input_is_text(batchmill_command: Any) -> None:
    document = {
        "inputs": {"s": {"type": "string", "stdin": True}},
        "nodes": [{"id": "a", "type": "write-file", "params": {"file_path": "o.txt", "content": "${s}"}}],
    }
    Path("f.json").write_text(json.dumps(document))
    assert batchmill_command("run", "f.json", "-q", "--no-journal", text='{"price": 1.10}\n')[0] == 0
    assert Path("o.txt").read_text() == '{"price": 1.10}\n'
    assert batchmill_command("run", "f.json", 's={"id": 1e400}', "-q", "--no-journal")[0] == 0
    assert Path("o.txt").read_text() == '{"id": 1e400}'


DOORS = ['{"d": NaN}', '{"d": 1e400}', '{"d": {"a": 1, "a": 2}}', '{"d": 0.1234567890123456789}']


@pytest.mark.parametrize("text", DOORS)
def test_every_door_refuses_the_same_text(text: str, batchmill_command: Any) -> None:
    document = {
        "inputs": {"d": {"type": "any"}, "o": {"type": "object", "default": {}}},
        "nodes": [{"id": "a", "type": "echo", "params": {"data": "${d}"}}],
    }
    Path("f.json").write_text(json.dumps(document))
    Path("p.json").write_text(text)
    Path("r.jsonl").write_text("{}\n" + text + "\n")
    value = text[len('{"d": ') : -1]
    run = ("run", "f.json", "-q", "--no-journal")
    assert batchmill_command(*run, "--params", "p.json")[0] == 2
    assert batchmill_command(*run, "--set-json", f"d={value}")[0] == 2
    assert batchmill_command(*run, "d=1", f"o={text}")[0] == 2
    Path("doc.json").write_text(json.dumps(document)[:-1] + f', "x": {text}}}')
    assert batchmill_command("validate", "doc.json")[0] == 2
    code, _, said = batchmill_command("map", "--items", "@r.jsonl", "--no-journal", "-q", "--", "true")
    assert (code, "r.jsonl, line 2: not JSON" in said) == (5, True)
    assert batchmill_command("map", "--items", f"[{text}]", "--no-journal", "--", "true")[0] == 2
    node = {"id": "a", "type": "echo", "params": {"data": "${x | parse}"}}
    failed = batchmill.run({"inputs": {"x": {}}, "nodes": [node]}, {"x": text})
    assert "got text that is not JSON" in failed.errors[0]["message"]
    walked = {"id": "a", "type": "echo", "params": {"data": "${x.d}"}}
    failed = batchmill.run({"inputs": {"x": {}}, "nodes": [walked]}, {"x": text})
    assert "is text that is not JSON" in failed.errors[0]["message"]
