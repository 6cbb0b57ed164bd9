"""Parts of the graph that never run: unreachable nodes, edges whose action never occurs, actions without an
edge."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from batchmill.graph.compile.warnings.ways import Ways
from batchmill.ir.faults import Doubt, Fault, all_of, any_of, did_you_mean
from batchmill.ir.flow_graph import FlowGraph, edges_in_force
from batchmill.ir.outline import Outline
from batchmill.ir.parts import EdgePart, NodePart
from batchmill.ir.reaching import reached
from batchmill.nodes import DEFAULT_ACTION, ERROR_ACTION

_SHOWN = 5  # names in one message
_WELL = ("success", "ok", "done", "completed", "complete", "succeeded", "finished")
_BADLY = ("failure", "failed", "fail", "on_error", "exception")
ADD_EDGE = "add an edge that leads to it, or lead from one first node to all that begin the run"


def dead_doubts(outline: Outline, ways: Ways) -> Iterator[Doubt]:
    """Doubts about nodes and edges that can never run."""
    yield from _unreached(outline, ways)
    for edge in ways.dead:
        yield Doubt("dead-action", _dead_edge(edge, outline, ways))
    looped = {name for loop in ways.graph.loops for name in loop.body}
    for node in outline.nodes:
        if ways.runs(node.id):
            yield from _lost_actions(node, ways, looped=node.id in looped)


def _unreached(outline: Outline, ways: Ways) -> Iterator[Doubt]:
    """One doubt for each node that no other one leads to, with all that would follow it."""
    graph, left = ways.graph, [node for node in outline.nodes if not ways.graph.reaches(node.id)]
    entered = {edge.target for edge in edges_in_force(outline) if edge.source != edge.target}
    told: set[str] = set()
    for node in sorted(left, key=lambda node: node.id in entered):  # roots first; what is left are cycles
        if node.id in told:
            continue
        behind = [name for name in _behind(node.id, graph) if not graph.reaches(name)]
        more = [name for name in behind if name not in told and name != node.id and name in outline.by_id]
        told.update((node.id, *more))
        names = ", ".join(f"`{name}`" for name in more[:_SHOWN]) + (", ..." if len(more) > _SHOWN else "")
        also = f"; so neither {'does' if len(more) == 1 else 'do'} {names}" if more else ""
        start = graph.start if graph.start in outline.by_id else "the first block"
        message = f"the node `{node.id}` never runs: no edge leads to it from `{start}`, where the run begins"
        yield Doubt("unreached-node", Fault((*node.path, "id"), message + also, ADD_EDGE))


def _behind(name: str, graph: FlowGraph) -> list[str]:
    """The names of all that edges from ``name`` on lead to, itself included."""
    return reached([name], lambda one: (edge.target for edge in graph.leaving.get(one, ())))


def _dead_edge(edge: EdgePart, outline: Outline, ways: Ways) -> Fault:
    node = outline.by_id[edge.source]
    known = ways.actions[edge.source] or frozenset()
    words = any_of(sorted(known, key=lambda action: (action == ERROR_ACTION, action)))
    what = "a batch node" if node.has_batch else f"a node of the type `{node.type}`"
    message = f"the action `{edge.action}` never occurs: `{edge.source}` is {what}, which ends with {words}"
    if not ways.runs(edge.target) and edge.target in outline.by_id:
        message += f"; so `{edge.target}` never runs"
    in_pipeline = edge.path[-2:-1] == ("next",)
    path = edge.path if in_pipeline else (*edge.path, "action")
    return Fault(path, message, _instead(edge.action, known, node), on_key=in_pipeline)


def _instead(action: str, known: Collection[str], node: NodePart) -> str:
    if action in _WELL:
        return "leave `action` out: `default` is how a node ends that has not failed"
    if action in _BADLY:
        return "a node that failed takes its edge with the action `error`"
    if node.has_batch:
        return "decide in a `code` node behind it, by what its `results` are"
    return did_you_mean(action, known) or "decide in a `code` node, which sets `next`"


def _lost_actions(node: NodePart, ways: Ways, *, looped: bool) -> Iterator[Doubt]:
    """Actions that the code of a node sets and that no edge has."""
    known = ways.actions[node.id]
    if known is None or node.has_batch:
        return
    leading = [edge.action for edge in ways.graph.leaving[node.id]]
    for action in sorted(known - {DEFAULT_ACTION, ERROR_ACTION}):
        words = leads_nowhere(action, node.id, leading, looped=looped)
        if words is not None:
            yield Doubt("lost-action", Fault((*node.path, "params", "code"), *words))


def leads_nowhere(
    action: str, node: str, actions: Collection[str], *, looped: bool
) -> tuple[str, str] | None:
    """The message and the hint for an action of a node that none of its edges has. None if ending there may
    be intended: no edge of the node has an action, or the node is in a loop (``looped``), which may end like
    that."""
    conditional = sorted(set(actions) - {DEFAULT_ACTION, ERROR_ACTION})
    if action in actions or action in (DEFAULT_ACTION, ERROR_ACTION) or not conditional:
        return None
    near = did_you_mean(action, conditional)
    if looped and not near:
        return None
    message = f"`{node}` may end with the action `{action}`, and no edge out of it has that"
    return message, near or f"there {'is' if len(conditional) == 1 else 'are'} {all_of(conditional)}"
