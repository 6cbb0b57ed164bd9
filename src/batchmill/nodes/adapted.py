"""Classes with ``prep``, ``exec`` and ``post`` as node types, recognised by their methods.

Such a class reads its params from a store and writes its outputs into it. So every attempt gets a fresh
object and a fresh store that holds the params; what is written into the store is the output.

Three kinds are supported. The three plain methods are called one after another. Coroutines (``prep_async``,
``exec_async``, ``post_async``) are awaited, so that items of a batch can wait together. An object that can be
linked to successors runs as its own class runs it: with its retries and its fallback, a batch node with all
its items, a flow with all its nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from batchmill.attempt import Attempt
from batchmill.concurrency.promises import awaited, plain_result, settled
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import DEFAULT_ACTION, AsyncRunNode, Node, NodeResult, Output
from batchmill.record import LLM_CALLS_KEY

_STEPS = ("prep", "exec", "post")


def fits(found: object) -> bool:
    """Whether ``found`` is a class that :func:`adapt` can work with."""
    if not isinstance(found, type):
        return False
    return all(_method(found, step) or _method(found, f"{step}_async") for step in _STEPS)


def _method(found: object, name: str) -> Callable[..., object] | None:
    method = getattr(found, name, None)
    return method if callable(method) else None


def adapt(cls: type, type_name: str) -> type[Node]:
    """A node type that runs ``cls``; any params go in, any outputs come out."""
    lines = (cls.__doc__ or "").strip().splitlines()
    summary = lines[0] if lines else f"Runs {cls.__module__}:{cls.__qualname__}."
    base = _AsyncAdapted if _method(cls, "exec_async") else _Adapted
    return type(f"Adapted{cls.__name__}", (base,), {"type": type_name, "summary": summary, "adapted": cls})


class _OneRun:
    """One attempt: an object of the class, and the store it works on."""

    def __init__(self, cls: type, params: Mapping[str, object], attempt: Attempt) -> None:
        self.params = params
        self.shared: dict[str, Any] = {**params, LLM_CALLS_KEY: attempt.recorder}
        self.node: Any = cls()
        self.result: Any = None
        if hasattr(self.node, "set_params"):
            self.node.set_params(dict(params))
        else:
            self.node.params = dict(params)

    def linkable(self, run: str) -> bool:
        """Whether the object has a method ``run`` of its own."""
        return isinstance(getattr(self.node, "successors", None), dict) and bool(_method(self.node, run))

    def keep_result(self) -> None:
        """Note what ``post`` is given as the result when the object runs by itself."""
        whole = self.node.post

        def noting(shared: object, prepared: object, result: object) -> Any:
            self.result = plain_result(result)
            return whole(shared, prepared, self.result)

        self.node.post = noting

    def keep_result_async(self) -> None:
        """The same for ``post_async``."""
        whole = self.node.post_async

        async def noting(shared: object, prepared: object, result: object) -> Any:
            self.result = plain_result(await settled(result))
            return await whole(shared, prepared, self.result)

        self.node.post_async = noting

    def ended(self, action: Any, recorder: Any) -> NodeResult:
        """The result, and every value of the store that changed."""
        recorded = self.shared.pop(LLM_CALLS_KEY, recorder)
        if recorded is not recorder:  # the class put a list of its own there
            recorder.extend(recorded)
        given = self.params
        written = {
            name: value
            for name, value in self.shared.items()
            if name not in given or given[name] is not value
        }
        return NodeResult({"result": self.result, **written}, action or DEFAULT_ACTION)


class _Adapted(Node):
    adapted: ClassVar[type]
    open_params = True
    open_outputs = True
    outputs = (Output("result", "any", "what `exec` returned, unless `post` wrote another `result`"),)

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        one = _OneRun(self.adapted, params, attempt)
        node, shared = one.node, one.shared
        if one.linkable("_run"):
            one.keep_result()
            action = node._run(shared)
        else:
            prepared = awaited(node.prep(shared))
            one.result = plain_result(node.exec(prepared), attempt.cancel, attempt.remaining())
            action = awaited(node.post(shared, prepared, one.result))
        return one.ended(action, attempt.recorder)

    def __reduce__(self) -> tuple[object, ...]:
        # Made at run time, this class has no name that pickle could import: it is made again there.
        return _adapted_node, (self.adapted, self.type)


class _AsyncAdapted(AsyncRunNode):
    adapted: ClassVar[type]
    open_params = True
    open_outputs = True
    outputs = (Output("result", "any", "what `exec_async` returned, unless another `result` was written"),)

    async def run_async(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        one = _OneRun(self.adapted, params, attempt)
        node, shared = one.node, one.shared
        if one.linkable("_run_async"):
            one.keep_result_async()
            action = await node._run_async(shared)
        else:
            prepared = await _step(node, "prep", shared)
            one.result = plain_result(await _step(node, "exec", prepared))
            action = await _step(node, "post", shared, prepared, one.result)
        return one.ended(action, attempt.recorder)

    def __reduce__(self) -> tuple[object, ...]:
        return _adapted_node, (self.adapted, self.type)


async def _step(node: object, name: str, *given: object) -> object:
    """The result of one of the three methods, or of its coroutine if there is one."""
    method = _method(node, f"{name}_async") or getattr(node, name)
    return await settled(method(*given))


def _adapted_node(cls: type, type_name: str) -> Node:
    return adapt(cls, type_name)()
