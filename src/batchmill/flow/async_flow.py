"""A flow that awaits its async nodes; sync nodes may stand between them."""

from __future__ import annotations

from typing import Any, cast

from batchmill.flow.async_node import AsyncNode
from batchmill.flow.branches import starts, walk
from batchmill.flow.calls import NodeCall
from batchmill.flow.flow import Flow
from batchmill.flow.typevars import ParamsT, SharedT
from batchmill.flow.walking import AsyncWalker, told


class AsyncFlow(Flow[SharedT, ParamsT], AsyncNode[SharedT, ParamsT, Any, Any]):
    """A :class:`Flow` of sync and async nodes, run with ``run_async``. A sync node blocks the event loop."""

    async def _orch_async(self, shared: SharedT, params: object = None) -> Any:
        async def run(node: Any) -> Any:
            return await node._run_async(shared) if isinstance(node, AsyncNode) else node._run(shared)

        walker = AsyncWalker(self, shared, params or dict(cast(Any, self.params)), run)
        return told(await walker.make_async(walk(self, starts(self.start_node))))

    async def _run_async(self, shared: SharedT) -> Any:
        with NodeCall(self, shared) as call:
            prep_res = await self.prep_async(shared)
            last_action = await self._orch_async(shared)
            call.tell(call.last)
            return await self.post_async(shared, prep_res, last_action)

    async def post_async(self, shared: SharedT, prep_res: Any, exec_res: Any) -> Any:
        """Return the last node's action, so that an outer flow branches by it."""
        return exec_res
