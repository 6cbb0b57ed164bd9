"""Digests of everything that the result of ``exec`` depends on, by which a journal recognises the result.

They cover the node's class with the code of the user's own classes it derives from, the node's attributes,
the params that a flow hands down, and the result of ``prep``, or for a batch each item. They leave out the
node's place and its retries.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, NamedTuple, cast

from batchmill.flow.branches import starts
from batchmill.journal.contract import ContentKey
from batchmill.journal.digest import NoDigest, digest_of

CLASS, CODE, ATTRIBUTES, PARAMS, PREPARED, NODES, STORE = (
    "its class",
    "its code",
    "its attributes",
    "its params",
    "what prep gave",
    "the nodes inside",
    "the store",
)
"""The parts of a key, in words."""

_OUR_OWN = "batchmill."
_NO_CONTENT = frozenset(
    {"params", "successors", "max_retries", "wait", "cur_retry", "batch_options", "start_node"}
)
_PART_CHARACTERS = 16


class NodePlace(NamedTuple):
    """The address of a node in a flow, and its part of a key."""

    address: str
    parts: Mapping[str, str]


def places_in(start: object, within: str, *, keyed: bool) -> dict[int, NodePlace]:
    """The places of all nodes of one flow, by their ids; further nodes of one class get numbers. ``keyed``
    says whether to compute their parts of keys."""
    found: dict[int, NodePlace] = {}
    taken: set[str] = set()
    for node in reachable(start):
        name, number = type(node).__name__, 1
        address = name
        while address in taken:
            number += 1
            address = f"{name}-{number}"
        taken.add(address)
        found[id(node)] = NodePlace(within + address, parts_of(node) if keyed else {})
    return found


def reachable(start: object) -> list[Any]:
    """The nodes of one flow in the order of their links."""
    found: dict[int, Any] = {}
    waiting = starts(start)[::-1]
    while waiting:
        node = waiting.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        for following in reversed(list(getattr(node, "successors", {}).values())):
            waiting += starts(following)[::-1]
    return list(found.values())


def parts_of(node: object) -> dict[str, str]:
    """The parts of a node that its results depend on. An attribute of unknown content, such as a client,
    counts by its class."""
    own = {name: _content(value) for name, value in vars(node).items() if name not in _NO_CONTENT}
    return {
        CLASS: _part(type(node).__qualname__),
        CODE: _part(code_of(cast(Hashable, type(node)))),
        ATTRIBUTES: _part(sorted(own.items())),
    }


def key_of(parts: Mapping[str, str], **more: object) -> ContentKey:
    """The key of a visit; ``more`` are values by names of parts. Raises :class:`NoDigest`."""
    whole = {**parts, **{name: _part(value) for name, value in more.items()}}
    return ContentKey(digest_of(sorted(whole.items())), whole)


def parts_inside(flow: Any, seen: frozenset[int] = frozenset()) -> list[Any]:
    """The content of all nodes inside a flow, at any depth, that its results depend on."""
    nodes = [one for one in reachable(flow.start_node) if id(one) not in seen]
    inside = seen | {id(one) for one in nodes}
    return [
        [sorted(parts_of(one).items()), parts_inside(one, inside) if hasattr(one, "start_node") else []]
        for one in nodes
    ]


def store_digest(store: object, left_out: frozenset[str]) -> str:
    """The digest of a shared store; values of unknown content count by their class."""
    if not isinstance(store, Mapping):
        return _content(store)
    told = {str(key): _content(value) for key, value in store.items() if key not in left_out}
    return _part(sorted(told.items()))


@cache
def code_of(kind: Hashable) -> str:
    """The text of the user's own classes that a class derives from."""
    return "\n".join(_source(one) for one in inspect.getmro(cast(type, kind)) if not _is_ours(one))


def _is_ours(kind: type) -> bool:
    return kind is object or f"{kind.__module__}.".startswith(_OUR_OWN)


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # typed at a prompt, or built in
        return f"{kind.__module__}:{kind.__qualname__}"


def _content(value: object) -> str:
    try:
        return _part(value)
    except NoDigest:
        return f"a {type(value).__qualname__}"


def _part(value: object) -> str:
    return digest_of(value).hex()[:_PART_CHARACTERS]
