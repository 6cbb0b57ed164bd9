"""The tree, the Mermaid and the DOT text of a few documents, letter by letter.

That both diagrams are valid was looked at with Mermaid's own parser and with Graphviz.
"""

import json

import pytest

from batchmill.cli.main import outcome

INNER = {
    "inputs": {"n": {"type": "integer"}},
    "nodes": [
        {
            "id": "rows",
            "type": "code",
            "params": {"code": "result = 1"},
            "batch": {"items": {"range": ["${n}"]}, "executor": "process"},
        },
        {"id": "again", "type": "workflow", "params": {"workflow": "inner.json", "inputs": {"n": "${n}"}}},
    ],
    "edges": [{"from": "rows", "to": "again", "action": "error"}],
}
DOCUMENT = {
    "nodes": [
        {
            "id": "look",
            "type": "code",
            "purpose": "choose a way",
            "params": {"code": "next = str(1)"},
            "retry": {"max": 4},
            "timeout": 3,
        },
        {"id": "small", "type": "echo"},
        {"id": "big", "type": "echo"},
        {
            "id": "each",
            "type": "workflow",
            "params": {"workflow": "inner.json", "inputs": {"n": 2}},
            "batch": {"items": ["a", "b", "c", "d"], "executor": "process", "max_concurrent": 2},
        },
        {
            "id": "last",
            "type": "echo",
            "batch": {"items": "${each.results}", "executor": "thread", "max_concurrent": 3, "stream": True},
        },
        {"id": "lost", "type": "echo"},
    ],
    "edges": [
        {"from": "look", "to": "small"},
        {"from": "look", "to": "big", "action": "big"},
        {"from": "look", "to": "look", "action": "again"},
        {"from": "small", "to": "each"},
        {"from": "big", "to": "each"},
        {"from": "each", "to": "last"},
    ],
}

TREE = """\
main.json: 5 nodes
look (code): choose a way
    up to 4 attempts, 3.00 s for each attempt
    on again back to look
├─ small (echo)
└─ on big: big (echo)
each (workflow), after small, big
    4 items from list ["a", "b", "c", "d"], process executor, 2 at once
    - a
    - b
    - c
    - ...
    runs inner.json: 2 nodes
    │ rows (code)
    │     2 items from range ["${n}"], sequential executor, one after another
    │     (process was asked for, and a worker process has no workers of its own)
    │     - 0
    │     - 1
    │ └─ on error: again (workflow)
    │        runs inner.json, which this is part of
last (echo)
    items from reference ${each.results}, thread executor, 3 at once
    takes each as soon as each has done it
lost (echo) never runs: it is not reached by any edge
"""

MERMAID = """\
flowchart TD
    n1["look<br/>code"]
    n2["small<br/>echo"]
    n3["big<br/>echo"]
    n4[["each<br/>workflow<br/>4 items, process, 2 at once"]]
    n5[["last<br/>echo<br/>items, thread, 3 at once"]]
    n6["lost<br/>echo<br/>never runs"]
    subgraph n4_sub["inner.json"]
        n4_1[["rows<br/>code<br/>2 items, sequential, one after another"]]
        n4_2["again<br/>workflow<br/>runs inner.json again"]
        n4_1 -->|"error"| n4_2
    end
    n1 -.->|"again"| n1
    n1 --> n2
    n1 -->|"big"| n3
    n2 --> n4
    n3 --> n4
    n4 -.->|"runs"| n4_1
    n4 ==> n5
"""

DOT = """\
digraph "main.json" {
    node [shape=box];
    n1 [label="look\\ncode"];
    n2 [label="small\\necho"];
    n3 [label="big\\necho"];
    n4 [label="each\\nworkflow\\n4 items, process, 2 at once", shape=box3d];
    n5 [label="last\\necho\\nitems, thread, 3 at once", shape=box3d];
    n6 [label="lost\\necho\\nnever runs"];
    subgraph cluster_n4_ {
        label="inner.json";
        n4_1 [label="rows\\ncode\\n2 items, sequential, one after another", shape=box3d];
        n4_2 [label="again\\nworkflow\\nruns inner.json again"];
        n4_1 -> n4_2 [label="error"];
    }
    n1 -> n1 [label="again", style=dashed, constraint=false];
    n1 -> n2;
    n1 -> n3 [label="big"];
    n2 -> n4;
    n3 -> n4;
    n4 -> n4_1 [label="runs", style=dotted];
    n4 -> n5 [style=bold];
}
"""


@pytest.fixture
def printed(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner.json").write_text(json.dumps(INNER))

    def call(document, *arguments):
        (tmp_path / "main.json").write_text(json.dumps(document))
        assert outcome(["plan", "main.json", *arguments]) == 0
        return capfd.readouterr().out

    return call


@pytest.mark.parametrize(("form", "text"), [("tree", TREE), ("mermaid", MERMAID), ("dot", DOT)])
def test_each_form_letter_by_letter(printed, form, text):
    assert printed(DOCUMENT, "--format", form) == text


def test_the_tree_is_what_is_printed_unasked(printed):
    assert printed(DOCUMENT) == TREE


def test_json_by_either_flag(printed):
    told = json.loads(printed(DOCUMENT, "--format", "json"))
    assert told == json.loads(printed(DOCUMENT, "--json"))
    look, _, _, each, last = told["nodes"]
    assert (look["next"], look["attempts"], look["timeout"]) == (
        {"default": ["small"], "big": ["big"], "again": ["look"]},
        4,
        3.0,
    )
    assert (each["after"], last["batch"]["streams_from"]) == (["small", "big"], "each")
    rows, again = each["workflow"]["nodes"]
    assert (rows["batch"]["items"]["count"], rows["batch"]["executor"]) == (2, "sequential")
    assert again["workflow"] == {"source": "inner.json", "recursive": True}


def test_what_is_odd_in_names_stays_within_its_quotes(printed):
    document = {
        "nodes": [
            {"id": "end", "type": "code", "params": {"code": "next = str(1)"}},
            {"id": "graph", "type": "echo"},
        ],
        "edges": [{"from": "end", "to": "graph", "action": 'a"|b #<i>\\'}],
    }
    assert 'n1 -->|"a#quot;|b #35;#lt;i#gt;\\"| n2' in printed(document, "--format", "mermaid")
    assert 'n1 -> n2 [label="a\\"|b #<i>\\\\"];' in printed(document, "--format", "dot")


def test_inputs_that_differ_from_run_to_run_are_left_open(printed):
    batch = {"items": ["${x}"]}
    inner = {"inputs": {"x": {"default": 1}}, "nodes": [{"id": "i", "type": "echo", "batch": batch}]}
    for given, first in (
        ({"x": 5}, [5]),
        ({}, [1]),
        ({"x": "${item}"}, []),
        ("${a.metadata}", []),
    ):
        node = {"id": "s", "type": "workflow", "params": {"workflow": inner, "inputs": given}}
        document = {"nodes": [{"id": "a", "type": "echo"}, {**node, "batch": {"items": [1]}}]}
        told = json.loads(printed(document, "--json"))["nodes"][1]["workflow"]["nodes"][0]
        assert told["batch"]["items"]["first"] == first


def block(*branches, **more):
    return {"parallel": list(branches), **more}


def echo(name):
    return {"id": name, "type": "echo"}


def test_blocks_of_a_pipeline(printed):
    inner = {"pipeline": [block(echo("p"), echo("q"))]}
    document = {
        "pipeline": [
            block(echo("a"), echo("b"), on_error="continue"),
            block(
                echo("left"),
                [
                    echo("first"),
                    block({"id": "x", "type": "workflow", "params": {"workflow": inner}}, echo("y")),
                    echo("second"),
                ],
            ),
            echo("last"),
        ]
    }
    assert printed(document) == (
        "main.json: 8 nodes\n"
        "parallel: 2 branches at the same time, each to its end whatever fails\n"
        "├─ a (echo)\n"
        "└─ b (echo)\n"
        "parallel: 2 branches at the same time\n"
        "├─ left (echo)\n"
        "└─ first (echo)\n"
        "   parallel: 2 branches at the same time\n"
        "   ├─ x (workflow)\n"
        "   │      runs the workflow in node x: 2 nodes\n"
        "   │      │ parallel: 2 branches at the same time\n"
        "   │      │ ├─ p (echo)\n"
        "   │      │ └─ q (echo)\n"
        "   └─ y (echo)\n"
        "   second (echo)\n"
        "last (echo)\n"
    )
    told = json.loads(printed(document, "--json"))
    by_id = {node["id"]: node for node in told["nodes"]}
    assert by_id["left"]["after"] == by_id["first"]["after"] == ["a", "b"]
    assert (by_id["a"]["next"], by_id["x"]["next"]) == (
        {"default": ["left", "first"]},
        {"default": ["second"]},
    )
    assert by_id["last"]["after"] == ["left", "second"]
    inner_block = {"parallel": [["x"], ["y"]], "on_error": "fail_fast"}
    assert told["steps"] == [
        {"parallel": [["a"], ["b"]], "on_error": "continue"},
        {"parallel": [["left"], ["first", inner_block, "second"]], "on_error": "fail_fast"},
        "last",
    ]
    arrows = [line.strip() for line in printed(document, "--format", "dot").splitlines() if "->" in line]
    keys = {node["id"]: f"n{number}" for number, node in enumerate(told["nodes"], 1)}
    for source, target in (("a", "left"), ("b", "first"), ("y", "second"), ("second", "last")):
        assert f"{keys[source]} -> {keys[target]};" in arrows
    inside = [line for line in arrows if "runs" in line]
    assert inside == [f'{keys["x"]} -> {keys["x"]}_{end} [label="runs", style=dotted];' for end in (1, 2)]


def test_a_fan_out_of_edges(printed):
    nodes = [echo(name) for name in "abcd"]
    edges = [{"from": source, "to": target} for source, target in ("ab", "ac", "bd", "cd")]
    assert printed({"nodes": nodes, "edges": edges}) == (
        "main.json: 4 nodes\n"
        "a (echo)\n"
        "    2 branches at the same time\n"
        "├─ b (echo)\n"
        "└─ c (echo)\n"
        "d (echo), after b, c\n"
    )


DEAD = {
    "nodes": [
        {"id": "a", "type": "echo", "batch": {"items": []}},
        {"id": "b", "type": "echo"},
        {"id": "c", "type": "echo"},
        {"id": "d", "type": "echo"},
        {"id": "e", "type": "echo"},
    ],
    "edges": [
        {"from": "a", "to": "b", "action": "x"},
        {"from": "b", "to": "c"},
        {"from": "a", "to": "a", "action": "again"},
        {"from": "a", "to": "d"},
        {"from": "e", "to": "d"},
    ],
}


def test_what_never_runs_is_marked_in_every_form(printed):
    lines = printed(DEAD).splitlines()[1:]
    assert lines == [
        "a (echo)",
        "    no items from list [], sequential executor, one after another",
        "    on again (dead) back to a",
        "├─ on x (dead): b (echo), never runs",
        "│  c (echo), never runs",
        "└─ d (echo)",
        "e (echo) never runs: it is not reached by any edge",
    ]
    told = json.loads(printed(DEAD, "--json"))
    assert [node["id"] for node in told["nodes"] if node.get("never_runs")] == ["b", "c"]
    assert [node.get("dead_actions") for node in told["nodes"]] == [["again", "x"], None, None, None]
    assert {one["code"] for one in told["warnings"]} == {"dead-action", "no-items", "unreached-node"}
    mermaid = printed(DEAD, "--format", "mermaid")
    for line in (
        'n2["b<br/>echo<br/>never runs"]',
        'n5["e<br/>echo<br/>never runs"]',
        'n1 --x|"again"| n1',
        'n1 --x|"x"| n2',
        "n5 --x n4",
        "n1 --> n4",
    ):
        assert f"    {line}\n" in mermaid
    assert 'n1 -> n2 [label="x", color=gray, arrowhead=tee];' in printed(DEAD, "--format", "dot")
