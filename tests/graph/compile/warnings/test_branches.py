"""References to nodes that may not have run: told where nothing else is given, and only there."""

from __future__ import annotations

import itertools
import random

import pytest

from batchmill.graph.compile.warnings.ways import Ways
from batchmill.ir.loading import load
from batchmill.ir.validate import validate


def echo(name, message=""):
    return {"id": name, "type": "echo", "params": {"message": message}}


def choice(name, actions="x y"):
    first, second = actions.split()
    return {"id": name, "type": "code", "params": {"code": f"next = '{first}' if 1 else '{second}'"}}


def edges(*pairs):
    return [dict(zip(("from", "to", "action"), pair.split(), strict=False)) for pair in pairs]


DIAMOND = edges("a b x", "a c y", "b d", "c d")


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("${b.echo}", True),
        ("so ${c.echo}, then", True),
        ("${b.echo ?? c.echo}", False),
        ("${b.echo ?? null}", False),
        ("${a.result}", False),
        ("${b.echo | count}", True),
    ],
)
def test_where_exclusive_branches_meet(warned, message, told):
    nodes = [choice("a"), echo("b", "${a.result}"), echo("c"), echo("d", message)]
    found = warned({"nodes": nodes, "edges": DIAMOND})
    assert [(one.code, one.path) for one in found] == (
        [("untaken-branch", "$.nodes[3].params.message")] if told else []
    )
    assert all("?? ...}`" in one.hint for one in found)


def test_outputs_and_items_are_looked_at_too(codes):
    nodes = [choice("a"), echo("b"), echo("c"), echo("d")]
    nodes[3]["batch"] = {"items": "${b.rows}"}
    outputs = {"o": {"source": "${c.echo}"}, "sure": {"source": "${d.results}"}, "b": {}}
    found = codes({"nodes": nodes, "edges": DIAMOND, "outputs": outputs})
    assert {path for _, path in found} == {
        "$.nodes[3].batch.items", "$.outputs.o.source", "$.outputs.b"}  # fmt: skip


def test_merge_takes_what_is_there(codes):
    merge = {"id": "d", "type": "merge", "params": {"inputs": ["${b.echo}", "${c.echo}"], "mode": "first"}}
    nodes = [choice("a"), echo("b"), echo("c"), merge]
    assert codes({"nodes": nodes, "edges": DIAMOND}) == []
    merge["params"]["separator"] = "${b.echo}"
    assert codes({"nodes": nodes, "edges": DIAMOND}) == [("untaken-branch", "$.nodes[3].params.separator")]


@pytest.mark.parametrize(
    ("pairs", "reference", "told"),
    [
        (["a b", "a c", "b d", "c d"], "b", False),  # branches that run at the same time
        (["a b x", "a c y", "b d", "c d", "d e"], "d", False),  # behind the join
        (["a b", "b c", "b d error", "c e", "d e"], "c", True),  # passed by where b fails
        (["a b", "b c", "b d error", "c e", "d e"], "b", False),
        (["a b", "b c error", "b e"], "b", False),
    ],
)
def test_what_has_run_for_certain(warned, pairs, reference, told):
    nodes = [choice("a") if "a b x" in pairs else echo("a"), *(echo(name) for name in "bcd")]
    nodes.append(echo("e", f"${{{reference}.echo}}"))
    pairs = pairs if "e" in "".join(pairs) else [*pairs, "d e"]
    found = [one for one in warned({"nodes": nodes, "edges": edges(*pairs)}) if one.code == "untaken-branch"]
    assert bool(found) is told


def test_the_first_round_of_a_loop_has_nothing_of_the_last_one(codes):
    nodes = [echo("a"), echo("b", "${c.result}"), choice("c", "again done"), echo("d", "${b.echo}")]
    links = edges("a b", "b c", "c b again", "c d done")
    assert codes({"nodes": nodes, "edges": links}) == [("untaken-branch", "$.nodes[1].params.message")]
    nodes[1]["params"]["message"] = "${c.result ?? 0}"
    assert codes({"nodes": nodes, "edges": links}) == []


def test_blocks_of_a_pipeline(codes):
    block = {"parallel": [[echo("b")], [choice("c"), echo("x"), echo("y")]]}
    block["parallel"][1][0]["next"] = {"x": "x", "y": "y", "default": "y"}
    steps = [echo("a"), block, echo("d", "${b.echo} ${y.echo}"), echo("e", "${x.echo}")]
    assert codes({"pipeline": steps}) == [("untaken-branch", "$.pipeline[3].params.message")]


def all_runs(pairs, start):
    """Every set of nodes that a run of an acyclic graph may come to: each node ends with one of the actions
    it has edges for. By brute force."""
    leaving = {}
    for pair in pairs:
        leaving.setdefault(pair["from"], {}).setdefault(pair.get("action", "default"), []).append(pair["to"])
    names = sorted(leaving)
    for chosen in itertools.product(*(sorted(leaving[name]) for name in names)):
        ends = dict(zip(names, chosen, strict=True))
        ran, waiting = set(), [start]
        while waiting:
            name = waiting.pop()
            if name not in ran:
                ran.add(name)
                waiting += leaving.get(name, {}).get(ends.get(name), [])
        yield ran


@pytest.mark.parametrize("seed", range(40))
def test_certainty_is_never_claimed_where_a_run_shows_otherwise(seed):
    chance = random.Random(seed)
    names = [f"n{n}" for n in range(8)]
    pairs = []
    for place, name in enumerate(names[1:], 1):
        for source in chance.sample(names[:place], k=min(place, chance.choice([1, 1, 2]))):
            action = chance.choice(["default", "x", "y"])
            if {"from": source, "to": name, "action": action} not in pairs and (
                action == "default" or not any(p["from"] == source and p["action"] == action for p in pairs)
            ):
                pairs.append({"from": source, "to": name, "action": action})
    nodes = [{"id": name, "type": "free"} for name in names]
    found = validate(load({"nodes": nodes, "edges": pairs}))
    ways = Ways(found.outline, found.graph, {})
    runs = list(all_runs(pairs, "n0"))
    reached = [name for name in names if ways.runs(name)]
    for name in reached:
        always = all(name in ran for ran in runs)
        assert ways.is_certain(name, None) <= always
        for other in reached:
            if found.graph.can_precede(name, other) and ways.is_certain(name, other):
                assert all(name in ran for ran in runs if other in ran)
