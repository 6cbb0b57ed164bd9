"""A plan as a diagram: the text forms of Mermaid and Graphviz, from one list of boxes and arrows.

Mermaid's syntax: https://mermaid.js.org/syntax/flowchart.html; that of DOT:
https://graphviz.org/doc/info/lang.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from batchmill.graph.compile.plan import Plan
from batchmill.nodes import DEFAULT_ACTION
from batchmill.planning.shape import PlanShape
from batchmill.planning.tree import flight_words, item_words
from batchmill.values.words import on_one_line

NEVER = "never runs"
FINALLY = "at the end, whatever happened"
ArrowKind = Literal["plain", "backward", "stream", "inside", "dead"]


@dataclass(frozen=True, slots=True)
class Box:
    """A node: ``key`` identifies it in the text, ``lines`` are its label."""

    key: str
    lines: tuple[str, ...]
    is_batch: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one box to another; ``label`` may be empty."""

    source: str
    target: str
    kind: ArrowKind = "plain"
    label: str = ""


@dataclass(slots=True)
class Diagram:
    """The boxes of one document, its arrows and the documents inside; ``begins`` are the keys of the boxes
    that it begins with."""

    key: str
    title: str
    begins: tuple[str, ...] = ()
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    inner: list[Diagram] = field(default_factory=list)


def diagram_of(plan: Plan, told: Mapping[str, Any], key: str = "n") -> Diagram:
    """The diagram of a plan; ``told`` is its description as plain data."""
    shape = PlanShape.of(plan)
    drawn = Diagram(key, plan.source)
    keys = {node["id"]: f"{key}{number}" for number, node in enumerate(told["nodes"], 1)}
    drawn.begins = tuple(keys[name] for name in shape.behind(shape.start))
    for node in told["nodes"]:
        drawn.boxes.append(Box(keys[node["id"]], tuple(_box_lines(node)), "batch" in node))
        drawn.arrows += _arrows(shape, node, keys)
        _draw_inside(drawn, plan, node, keys[node["id"]])
    _draw_unreached(drawn, plan, told["unreached"], keys)
    for number, node in enumerate(told.get("finally", ()), len(keys) + 1):
        keys[node["id"]] = f"{key}{number}"
        lines = (*_box_lines(node), FINALLY)
        drawn.boxes.append(Box(keys[node["id"]], lines, "batch" in node))
        _draw_inside(drawn, plan, node, keys[node["id"]])
    return drawn


def _draw_unreached(drawn: Diagram, plan: Plan, names: Sequence[str], keys: dict[str, str]) -> None:
    """The nodes that no edge leads to, with the edges out of them."""
    for number, name in enumerate(names, len(keys) + 1):
        keys[name] = f"{drawn.key}{number}"
        drawn.boxes.append(Box(keys[name], (name, plan.nodes[name].spec.type, NEVER)))
    for name in names:
        for edge in plan.leaving.get(name, ()):
            for target in plan.behind(edge.target):
                drawn.arrows.append(Arrow(keys[name], keys[target], "dead", _label(edge.action)))


def _box_lines(node: Mapping[str, Any]) -> Iterator[str]:
    yield node["id"]
    yield node["type"]
    if "batch" in node:
        items = node["batch"]["items"]
        yield f"{item_words(items['count'])}, {node['batch']['executor']}, {flight_words(node['batch'])}"
    if node.get("never_runs"):
        yield NEVER
    if node.get("workflow", {}).get("recursive"):
        yield f"runs {node['workflow']['source']} again"


def _arrows(shape: PlanShape, node: Mapping[str, Any], keys: Mapping[str, str]) -> Iterator[Arrow]:
    name = node["id"]
    for link in shape.arriving(name):
        streams = node.get("batch", {}).get("streams_from") == link.source
        kind: ArrowKind = "dead" if link.dead else "stream" if streams else "plain"
        yield Arrow(keys[link.source], keys[name], kind, _label(link.action))
    for link in shape.leaving(name, backward=True):
        for target in shape.behind(link.target):
            yield Arrow(keys[name], keys[target], "dead" if link.dead else "backward", _label(link.action))


def _label(action: str) -> str:
    return "" if action == DEFAULT_ACTION else action


def _draw_inside(drawn: Diagram, plan: Plan, node: Mapping[str, Any], key: str) -> None:
    sub = plan.nodes[node["id"]].sub
    if sub is None or node["workflow"].get("recursive"):
        return
    inner = diagram_of(sub.plan, node["workflow"], f"{key}_")
    inner.title = sub.source
    drawn.inner.append(inner)
    drawn.arrows += [Arrow(key, first, "inside", "runs") for first in inner.begins]


_MERMAID_ARROWS: Mapping[ArrowKind, str] = {
    "plain": "-->",
    "backward": "-.->",
    "stream": "==>",
    "inside": "-.->",
    "dead": "--x",
}


def mermaid(diagram: Diagram) -> Iterator[str]:
    """The lines of a Mermaid flowchart."""
    yield "flowchart TD"
    yield from _mermaid_inside(diagram, "    ")


def _mermaid_inside(diagram: Diagram, indent: str) -> Iterator[str]:
    for box in diagram.boxes:
        text = "<br/>".join(_for_mermaid(on_one_line(line)) for line in box.lines)
        opening, closing = ("[[", "]]") if box.is_batch else ("[", "]")
        yield f'{indent}{box.key}{opening}"{text}"{closing}'
    for inner in diagram.inner:
        yield f'{indent}subgraph {inner.key}sub["{_for_mermaid(inner.title)}"]'
        yield from _mermaid_inside(inner, indent + "    ")
        yield f"{indent}end"
    for arrow in diagram.arrows:
        label = f'|"{_for_mermaid(arrow.label)}"|' if arrow.label else ""
        yield f"{indent}{arrow.source} {_MERMAID_ARROWS[arrow.kind]}{label} {arrow.target}"


def _for_mermaid(text: str) -> str:
    """Text between quotes: what would end them or be taken for markup is written as an entity."""
    entities = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;", "`": "#96;"}
    return "".join(entities.get(char, char) for char in text)


_DOT_STYLES: Mapping[ArrowKind, str] = {
    "plain": "",
    "backward": "style=dashed, constraint=false",
    "stream": "style=bold",
    "inside": "style=dotted",
    "dead": "color=gray, arrowhead=tee",
}


def dot(diagram: Diagram) -> Iterator[str]:
    """The lines of a Graphviz digraph."""
    yield f"digraph {_for_dot(diagram.title)} {{"
    yield "    node [shape=box];"
    yield from _dot_inside(diagram, "    ")
    yield "}"


def _dot_inside(diagram: Diagram, indent: str) -> Iterator[str]:
    for box in diagram.boxes:
        text = _for_dot("\n".join(on_one_line(line) for line in box.lines))
        yield f"{indent}{box.key} [label={text}{', shape=box3d' if box.is_batch else ''}];"
    for inner in diagram.inner:
        yield f"{indent}subgraph cluster_{inner.key} {{"
        yield f"{indent}    label={_for_dot(inner.title)};"
        yield from _dot_inside(inner, indent + "    ")
        yield f"{indent}}}"
    for arrow in diagram.arrows:
        given = [f"label={_for_dot(arrow.label)}"] if arrow.label else []
        given += [_DOT_STYLES[arrow.kind]] if _DOT_STYLES[arrow.kind] else []
        yield f"{indent}{arrow.source} -> {arrow.target}{' [' + ', '.join(given) + ']' if given else ''};"


def _for_dot(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
