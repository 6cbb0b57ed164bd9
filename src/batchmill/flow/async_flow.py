"""A flow that awaits its async nodes; sync nodes may stand between them."""

from __future__ import annotations

import copy
from typing import Any, cast

from batchmill.flow.async_node import AsyncNode
from batchmill.flow.calls import Call
from batchmill.flow.flow import Flow
from batchmill.flow.typevars import ParamsT, SharedT


class AsyncFlow(Flow[SharedT, ParamsT], AsyncNode[SharedT, ParamsT, Any, Any]):
    """A :class:`Flow` of nodes of both kinds, run with ``run_async``. A sync node blocks the event loop."""

    async def _orch_async(self, shared: SharedT, params: Any = None) -> Any:
        current, last_action = copy.copy(self.start_node), None
        handed_down = params or dict(cast(Any, self.params))
        while current is not None:
            current.set_params(handed_down)
            if isinstance(current, AsyncNode):
                last_action = await current._run_async(shared)
            else:
                last_action = current._run(shared)
            current = copy.copy(self.get_next_node(current, last_action))
        return last_action

    async def _run_async(self, shared: SharedT) -> Any:
        with Call(self, shared):
            prep_res = await self.prep_async(shared)
            last_action = await self._orch_async(shared)
            return await self.post_async(shared, prep_res, last_action)

    async def post_async(self, shared: SharedT, prep_res: Any, exec_res: Any) -> Any:
        """Returns the last node's action, so that a flow inside a flow branches by it."""
        return exec_res
