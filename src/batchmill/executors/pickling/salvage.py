"""Unpickle what can be saved of a stream in which some object's own code raises.

The results of neighbouring items come back in one stream. If one of them does not unpickle here, the others
must not be lost with it. So Python's own unpickler, which is slow, reads the stream once more, with a mark in
place of each object that cannot be made; a value that contains a mark is at fault.
"""

from __future__ import annotations

import io
import pickle  # nosec: what is unpickled comes from this program's own processes
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from batchmill.executors.pickling import pickler


class Mark:
    """Replaces an object that cannot be made, because of ``error``."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise MarkFound(self.error)


class MarkFound(Exception):  # an answer, not an error of anybody's
    """Raised when a value that contains a mark is pickled."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def loads(stream: Any, buffers: Sequence[object] = ()) -> Any:
    """The result of :func:`pickler.loads`, with a :class:`Mark` in place of each object that cannot
    be made."""
    return _Unpickler(io.BytesIO(bytes(stream)), buffers=buffers).load()


def fault_in(value: object) -> Exception | None:
    """The exception that prevented a part of ``value``; None without a mark in it."""
    try:
        pickler.dumps(value, [])
    except BaseException as why:  # noqa: BLE001  # a value that does not pickle once more is whole all the same
        found: BaseException | None = why
        while found is not None and not isinstance(found, MarkFound):
            found = found.__cause__ or found.__context__
        return found.error if found is not None else None
    return None


_Base: Any = pickle._Unpickler  # type: ignore[attr-defined, unused-ignore]  # the one written in Python


class _Unpickler(_Base):  # type: ignore[misc]  # as above
    """Continues after exceptions of the objects' own code. The names and the stack are those of its base."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(_Base.dispatch)

    def find_class(self, module: str, name: str) -> object:
        try:
            return super().find_class(module, name)
        except Exception as fault:  # noqa: BLE001  # as all below: told of the value that it is in
            return Mark(fault)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        make = self.stack.pop()
        self._push(lambda: make(*arguments))

    def load_newobj(self) -> None:
        arguments = self.stack.pop()
        kind = self.stack.pop()
        self._push(lambda: kind.__new__(kind, *arguments))

    def load_newobj_ex(self) -> None:
        named = self.stack.pop()
        arguments = self.stack.pop()
        kind = self.stack.pop()
        self._push(lambda: kind.__new__(kind, *arguments, **named))

    def _push(self, make: Callable[[], object]) -> None:
        try:
            self.append(make())
        except Exception as fault:  # noqa: BLE001
            self.append(Mark(fault))

    def _fill(self, load: Callable[[Any], None]) -> None:
        """Put something into the object on top of the stack; a mark replaces that object if it raises."""
        try:
            load(self)
        except Exception as fault:  # noqa: BLE001
            half = self.stack[-1]
            if isinstance(half, Mark):
                return
            self.stack[-1] = mark = Mark(fault)
            for number, known in list(self.memo.items()):
                if known is half:
                    self.memo[number] = mark


def _filling(load: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda self: self._fill(load)


_Unpickler.dispatch[pickle.REDUCE[0]] = _Unpickler.load_reduce
_Unpickler.dispatch[pickle.NEWOBJ[0]] = _Unpickler.load_newobj
_Unpickler.dispatch[pickle.NEWOBJ_EX[0]] = _Unpickler.load_newobj_ex
for _name in ("BUILD", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS"):
    _operation = getattr(pickle, _name)[0]
    _Unpickler.dispatch[_operation] = _filling(_Unpickler.dispatch[_operation])
