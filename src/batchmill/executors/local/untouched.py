"""Whether a task of an event loop is as the last item that it ran found it."""

from __future__ import annotations

import asyncio
import contextvars
from operator import is_

COMPARED = frozenset({type(None), bool, int, float, str, bytes})  # as good as the same if they are equal


class Untouched:
    """Compares with ``context``, whose variables items see when they begin.

    Contexts are compared quickly by the equality of their values. This is only done if equal values are as
    good as the same: an item that sets a variable to an empty list leaves another list than the empty one
    that was there. Other values are compared by identity.
    """

    def __init__(self, context: contextvars.Context) -> None:
        self._context = context
        self._values = list(context.values())
        self._quickly = all(
            type(one) in COMPARED or getattr(type(one), "__eq__", None) is object.__eq__
            for one in self._values
        )

    def same(self, context: contextvars.Context) -> bool:
        """Whether all variables of a changed copy have the same values."""
        if not self._quickly:
            # a variable that a copy was made with cannot be removed from it
            return len(context) == len(self._values) and all(map(is_, context.values(), self._values))
        try:
            return context == self._context
        except Exception:  # noqa: BLE001  # a value that cannot be compared, such as an array
            return False

    def by(self, task: asyncio.Task[None], context: contextvars.Context, name: str) -> bool:
        """Whether an item left ``task``, which has that ``context``, without a cancellation that was asked
        for, a variable that was set or another ``name``."""
        return not task.cancelling() and self.same(context) and task.get_name() == name
