"""Nodes that nothing reaches, actions that cannot come, actions that lead nowhere."""

from __future__ import annotations

import pytest


def echo(*names):
    return [{"id": name, "type": "echo"} for name in names]


def edges(*pairs):
    return [dict(zip(("from", "to", "action"), pair.split(), strict=False)) for pair in pairs]


def code(name, text, **more):
    return {"id": name, "type": "code", "params": {"code": text}, **more}


@pytest.mark.parametrize(
    ("names", "pairs", "paths"),
    [
        ("abc", ["a c", "b c"], [1]),  # two roots
        ("abc", ["a b"], [2]),  # an isolated node
        ("abcd", ["a b", "c d"], [2]),  # a part of its own, told at its root
        ("abcd", ["a b", "c d", "d c x"], [2]),  # a part that is a cycle has no root
        ("abcd", ["a b", "c b", "d b"], [2, 3]),  # three roots
        ("ab", [], [1]),
        ("abc", ["a b", "b c"], []),
        ("abc", ["a b", "b a again", "b c"], []),
    ],
)
def test_nodes_that_nothing_reaches(codes, names, pairs, paths):
    document = {"nodes": echo(*names), "edges": edges(*pairs)}
    if not any("x" in pair or "again" in pair for pair in pairs):
        assert codes(document) == [("unreached-node", f"$.nodes[{n}].id") for n in paths]
    else:
        found = [path for what, path in codes(document) if what == "unreached-node"]
        assert found == [f"$.nodes[{n}].id" for n in paths]


def test_what_follows_an_unreached_node_is_named_with_it(warned):
    (one,) = warned({"nodes": echo("a", "b", "c", "d"), "edges": edges("b c", "c d")})
    assert one.message.endswith("where the run begins; so neither do `c`, `d`")
    assert "add an edge" in one.hint


def test_a_reference_to_an_unreached_node_stays_a_problem(warned):
    document = {"nodes": echo("a", "b"), "edges": [], "outputs": {"o": {"source": "${b.echo}"}}}
    with pytest.raises(Exception, match="the node `b` never runs") as caught:
        warned(document)
    assert [one.code for one in caught.value.warnings] == ["unreached-node"]


@pytest.mark.parametrize(
    ("node", "action", "hint"),
    [
        ({"id": "a", "type": "echo"}, "success", "leave `action` out"),
        ({"id": "a", "type": "shell", "params": {"command": "true"}}, "failed", "with the action `error`"),
        (code("a", "next = 'x'", batch={"items": [1]}), "x", "decide in a `code` node behind it"),
        ({"id": "a", "type": "echo", "batch": {"items": [1]}}, "again", "behind it"),
        (code("a", "next = 'bigg' if 1 else 'small'"), "big", "did you mean `bigg`?"),
        (code("a", "result = 1"), "elsewhere", "which sets `next`"),
        ({"id": "a", "type": "merge", "params": {"inputs": [1]}}, "x", "in a `code` node"),
        ({"id": "a", "type": "write-file", "params": {"file_path": "f", "content": ""}}, "x", "`code` node"),
    ],
)
def test_actions_that_cannot_come(warned, node, action, hint):
    document = {"nodes": [node, *echo("b")], "edges": [{"from": "a", "to": "b", "action": action}]}
    one = next(one for one in warned(document) if one.code == "dead-action")
    assert one.path == "$.edges[0].action"
    assert one.message.startswith(f"the action `{action}` never occurs: `a` is ")
    assert one.message.endswith("so `b` never runs")
    assert hint in one.hint


@pytest.mark.parametrize(
    "node",
    [
        code("a", "next = 'x'"),
        code("a", "next = some()"),
        code("a", "exec('x')"),
        {"id": "a", "type": "echo"},
        {"id": "a", "type": "echo", "batch": {"items": [1]}},
    ],
)
@pytest.mark.parametrize("action", ["error", "default", "x"])
def test_actions_that_can(codes, node, action):
    if action == "x" and node["type"] == "echo":
        return
    document = {"nodes": [node, *echo("b")], "edges": [{"from": "a", "to": "b", "action": action}]}
    assert codes(document) == []


def test_an_action_of_a_class_of_the_users_may_be_anything(codes, tmp_path, monkeypatch):
    (tmp_path / "own_actions.py").write_text(
        "class Own:\n    def prep(self, s): ...\n    def exec(self, p): ...\n"
        "    def post(self, s, p, r): return 'x'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    nodes = [{"id": "a", "type": "own_actions:Own"}, *echo("b")]
    assert codes({"nodes": nodes, "edges": edges("a b x")}) == []


def test_in_a_pipeline_the_place_is_that_of_next(codes):
    steps = [{"id": "a", "type": "echo", "next": {"done": "c"}}, *echo("b", "c")]
    assert codes({"pipeline": steps}) == [("dead-action", "$.pipeline[0].next.done")]
    steps = [{"id": "a", "type": "echo", "next": {"default": "c"}}, *echo("b", "c")]
    assert codes({"pipeline": steps}) == [("unreached-node", "$.pipeline[1].id")]


@pytest.mark.parametrize(
    ("text", "pairs", "lost"),
    [
        ("next = 'bigg' if 1 else 'small'", ["a b big", "a c small"], "bigg"),
        ("next = 'medium' if 1 else 'small'", ["a b big", "a c small"], "medium"),
        ("next = 'stop'", ["a b"], None),  # no edge has an action: the run is meant to end
        ("next = 'done' if 1 else 'again'", ["a b", "b a again"], None),
        ("next = 'small'", ["a b small"], None),
    ],
)
def test_actions_that_lead_nowhere(warned, text, pairs, lost):
    document = {"nodes": [code("a", text), *echo("b", "c")], "edges": edges(*pairs)}
    found = [one for one in warned(document) if one.code == "lost-action"]
    assert [one.path for one in found] == ([] if lost is None else ["$.nodes[0].params.code"])
    assert all(f"the action `{lost}`" in one.message for one in found)


def test_a_loop_may_end_by_an_action_without_an_edge_unless_it_is_one_misspelt(warned):
    nodes = [*echo("a"), code("b", "next = 'agian' if 1 else 'done'")]
    (dead, lost) = warned({"nodes": nodes, "edges": edges("a b", "b a again")})
    assert (dead.code, lost.code) == ("lost-action", "dead-action") or (lost.code, dead.code) == (
        "lost-action", "dead-action")  # fmt: skip
    words = dead.message + dead.hint + lost.message + lost.hint
    assert "`agian`" in words
    assert "did you mean `again`?" in words
    assert "`done`" not in words.replace("`agian`, `default`, `done`", "")
