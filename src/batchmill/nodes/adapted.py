"""Classes with ``prep``, ``exec`` and ``post`` as node types, by their shape alone.

Such a class reads its params from a store and writes its outputs into it. So every attempt gets a
fresh object and a fresh store that holds the params; what was written into the store is the output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from batchmill.attempt import Attempt
from batchmill.nodes.contract import DEFAULT_ACTION, Node, NodeResult, Output

_SHAPE = ("prep", "exec", "post")


def fits(found: Any) -> bool:
    """Whether ``found`` is a class that :func:`adapt` can work with. Async ones are not: ``exec`` is
    not what they run."""
    if not isinstance(found, type) or hasattr(found, "exec_async"):
        return False
    return all(callable(getattr(found, name, None)) for name in _SHAPE)


def adapt(cls: type, type_name: str) -> type[Node]:
    """A node type that runs ``cls``; any params go in, any outputs come out."""
    lines = (cls.__doc__ or "").strip().splitlines()
    summary = lines[0] if lines else f"Runs {cls.__module__}:{cls.__qualname__}."
    return type(
        f"Adapted{cls.__name__}", (_Adapted,), {"type": type_name, "summary": summary, "adapted": cls}
    )


class _Adapted(Node):
    adapted: ClassVar[type]
    open_params = True
    open_outputs = True
    outputs = (Output("result", "any", "what `exec` returned, unless `post` wrote another `result`"),)

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        node: Any = self.adapted()
        if hasattr(node, "set_params"):
            node.set_params(dict(params))
        else:
            node.params = dict(params)
        shared = dict(params)
        prepared = node.prep(shared)
        result = node.exec(prepared)
        action = node.post(shared, prepared, result)
        written = {
            name: value for name, value in shared.items() if name not in params or params[name] is not value
        }
        return NodeResult({"result": result, **written}, action or DEFAULT_ACTION)

    def __reduce__(self) -> tuple[Any, ...]:
        # Made at run time, this class has no name that pickle could import: it is made again there.
        return _adapted_node, (self.adapted, self.type)


def _adapted_node(cls: type, type_name: str) -> Node:
    return adapt(cls, type_name)()
