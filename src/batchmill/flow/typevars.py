"""The type parameters of the public classes, with defaults so that none need be given.

A type checker sees generic classes. While a program runs, ``Node[Shared, Params]`` is ``Node``: the
defaults of type parameters are younger than the oldest Python we run on, and a base class that is
only there for the checker has no business in a node's method resolution order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    SharedT = TypeVar("SharedT", default=dict[str, Any])
    ParamsT = TypeVar("ParamsT", default=dict[str, Any])
    PrepT = TypeVar("PrepT", default=Any)
    ExecT = TypeVar("ExecT", default=Any)
    NextT = TypeVar("NextT")

    class Typed(Generic[SharedT, ParamsT, PrepT, ExecT]):
        """Generic for the checker."""

else:
    from typing import TypeVar

    SharedT = TypeVar("SharedT")
    ParamsT = TypeVar("ParamsT")
    PrepT = TypeVar("PrepT")
    ExecT = TypeVar("ExecT")
    NextT = TypeVar("NextT")

    class Typed:
        """Takes type arguments and does nothing with them."""

        def __class_getitem__(cls, arguments: object) -> type:
            return cls
