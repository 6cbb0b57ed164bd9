"""Which part of a run reads standard input, which can be read only once."""

from __future__ import annotations

from collections.abc import Iterator

from batchmill.graph.address import address_of
from batchmill.graph.compile.plan import Plan
from batchmill.ir.faults import Fault


def nodes_on_stdin(plan: Plan, within: str = "", above: tuple[Plan, ...] = ()) -> Iterator[str]:
    """The addresses of the nodes whose items come from standard input; a workflow may run itself inside."""
    for node in plan.nodes.values():
        address = address_of(node.spec.id, within=within)
        if node.sub is not None:
            if node.sub.plan not in above:
                yield from nodes_on_stdin(node.sub.plan, address, (*above, plan))
        elif node.spec.batch is not None and node.spec.batch.items_kind == "stdin":
            yield address


def stdin_faults(plan: Plan) -> list[Fault]:
    """The faults of a document that came from standard input itself: nodes that read their items
    from there."""
    faults = []
    for address in nodes_on_stdin(plan):
        outermost = plan.nodes[address.partition(".")[0]]
        inside = () if outermost.sub is not None else ("batch", "items", "stdin")
        message = f"the items of `{address}` come from standard input, which held the document itself"
        faults.append(Fault((*outermost.path, *inside), message, "save the document in a file and run that"))
    return faults
