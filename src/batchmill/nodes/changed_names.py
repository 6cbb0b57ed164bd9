"""Find the names whose values Python text changes in place, without running it.

Such values are copied before the text runs: they may belong to another node, to the inputs of the run or to
another item. Values that are only read are not, because a copy of a large table for each item would cost more
than the item.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_METHODS = _words(
    "append extend insert remove pop clear sort reverse update setdefault popitem add discard appendleft"
    " popleft extendleft rotate difference_update intersection_update symmetric_difference_update"
    " __setitem__ __delitem__"
)
"""Methods that change lists, dictionaries, sets and deques."""
_FUNCTIONS = _words(
    "shuffle heapify heappush heappop heapreplace heappushpop insort insort_left insort_right setitem"
    " delitem setattr delattr"
)
"""Functions of the standard library that change their first argument."""
_PASS_ON = _words("enumerate zip reversed sorted list tuple iter next filter map min max dict set")
"""Functions whose results hold the members of their arguments."""


def changed_names(tree: ast.AST) -> frozenset[str]:
    """Names whose values the text changes, or parts of their values, also by other names that it gives them.

    It sees assignments to parts, ``del``, ``+=``, and the methods and functions that change a value. It does
    not see what functions from elsewhere do with their arguments.
    """
    leads_to: defaultdict[str, set[str]] = defaultdict(set)
    functions = {one.name: one.args for one in ast.walk(tree) if isinstance(one, ast.FunctionDef)}
    waiting: list[str] = []
    for node in ast.walk(tree):
        waiting += _changed_by(node)
        for name, value in _names_given(node, functions):
            leads_to[name].update(_roots(value))
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += leads_to[name]
    return frozenset(found)


def _changed_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, (ast.Subscript, ast.Attribute)) and not isinstance(node.ctx, ast.Load):
        yield from _roots(node.value)
    elif isinstance(node, ast.AugAssign):
        yield from _roots(node.target)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
            yield from _roots(node.func.value)
        if _called(node) in _FUNCTIONS and node.args:
            yield from _roots(node.args[0])


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _names_given(node: ast.AST, functions: dict[str, ast.arguments]) -> Iterator[tuple[str, ast.AST]]:
    """The names that a part of the text gives to values."""
    if isinstance(node, ast.Assign):
        for target in node.targets:
            yield from ((name, node.value) for name in _targets(target))
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
        if node.value is not None:
            yield from ((name, node.value) for name in _targets(node.target))
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield from ((name, node.iter) for name in _targets(node.target))
    elif isinstance(node, ast.Call) and _called(node) in functions:
        given = functions[_called(node)]
        for argument in (*node.args, *(one.value for one in node.keywords)):
            yield from ((one.arg, argument) for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))


def _targets(target: ast.AST) -> Iterator[str]:
    """The names in a target, but not those of values of which a part is replaced."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            yield from _targets(part)
    elif isinstance(target, ast.Starred):
        yield from _targets(target.value)


def _roots(value: ast.AST) -> Iterator[str]:
    """The names whose values, or parts of them, an expression may be."""
    if isinstance(value, ast.Name):
        yield value.id
    elif isinstance(value, (ast.Attribute, ast.Subscript, ast.Starred, ast.NamedExpr, ast.Await)):
        yield from _roots(value.value)
    elif isinstance(value, ast.IfExp):
        yield from (*_roots(value.body), *_roots(value.orelse))
    elif isinstance(value, ast.BoolOp):
        for part in value.values:
            yield from _roots(part)
    elif isinstance(value, (ast.Tuple, ast.List, ast.Set)):
        for part in value.elts:
            yield from _roots(part)
    elif isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute):
            yield from _roots(value.func.value)
        elif _called(value) in _PASS_ON:
            for part in value.args:
                yield from _roots(part)
