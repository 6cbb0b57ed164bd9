"""The sources that combine the items of several others.

A reader takes the value of the key of its source, the keys beside it, and how the source is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from batchmill.errors import InvalidSetting
from batchmill.items.readers import Options, ReadOptions, opened
from batchmill.items.together import combinations, side_by_side
from batchmill.lists import LazyList


def product(sides: object, options: Options, how: ReadOptions) -> Iterable[object]:
    """Every combination of the items of several sources, as objects."""
    exclude = options.get("exclude", ())
    if not isinstance(exclude, (list, tuple)) or not all(isinstance(one, Mapping) for one in exclude):
        raise InvalidSetting(f"`exclude` of the source 'product' must be a list of objects, not {exclude!r}")
    return combinations(_sides("product", sides, how), exclude)


def zip_(sides: object, options: Options, how: ReadOptions) -> Iterable[object]:
    """The items of several sources side by side, as objects."""
    return side_by_side(_sides("zip", sides, how))


def _sides(kind: str, sides: object, how: ReadOptions) -> dict[str, Iterable[object]]:
    if not isinstance(sides, Mapping) or not sides:
        raise InvalidSetting(f"the source {kind!r} needs an object of lists and sources, not {sides!r}")
    how = replace(how, keep_bad=False, placed=False)
    return {name: _side(f"{kind}.{name}", side, how) for name, side in sides.items()}


def _side(name: str, side: object, how: ReadOptions) -> Iterable[object]:
    if isinstance(side, Mapping):
        return opened(side, how)
    if isinstance(side, (list, tuple, range, LazyList)):
        return side
    raise InvalidSetting(f"`{name}` must be a list or a source, not {side!r}")
