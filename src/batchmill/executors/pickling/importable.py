"""Which modules a worker process can import: objects of all others must travel by value.

A worker has the parent's folder and ``sys.path``, so a module counts as importable if the import system finds
the very same file by its name. Not importable: a plug-in loaded from a path, a module made at run time, and
the main module of a program as ``multiprocessing`` calls it in its children.
"""

from __future__ import annotations

import os
import sys
import threading
import types
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from typing import Any

import cloudpickle

OTHER_MAIN = "__mp_main__"  # multiprocessing's name for the script of its parent

_lock = threading.Lock()
_judged: dict[str, tuple[types.ModuleType, bool]] = {}


def prepare(value: object) -> None:
    """Make cloudpickle pickle ``value``, a function, class or module, by value if a worker cannot import it.

    cloudpickle stores that per module for the whole process, which also suits other users of cloudpickle
    there.
    """
    module = value if isinstance(value, types.ModuleType) else sys.modules.get(_module_name(value))
    if module is None or module.__name__ == "__main__" or is_importable(module):
        return
    with _lock:
        try:
            cloudpickle.register_pickle_by_value(module)
        except ValueError:  # it stands in sys.modules under another name: cloudpickle cannot find it either
            pass


def is_importable(module: types.ModuleType) -> bool:
    """Whether a worker process that imports the module's name gets the same module."""
    known = _judged.get(module.__name__)  # one tuple, replaced as a whole
    if known is None or known[0] is not module:
        known = _judged[module.__name__] = module, _judge(module)
    return known[1]


def _module_name(value: object) -> str:
    name = getattr(value, "__module__", None)
    return name if isinstance(name, str) else ""


def _judge(module: types.ModuleType) -> bool:
    name = module.__name__
    if name == OTHER_MAIN:
        return False
    package = name.rpartition(".")[0]
    above = sys.modules.get(package) if package else None
    if package and (above is None or not is_importable(above)):
        return False
    spec = _found(name, getattr(above, "__path__", None) if above is not None else None)
    if spec is not None:
        return _same_file(module, spec)
    return above is not None and _made_with(module, above)


def _found(name: str, path: Any) -> ModuleSpec | None:
    """The module that the import system finds, without checking modules that are already imported."""
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except Exception:  # noqa: BLE001, S112  # somebody's own finder: it does not find it, then
            continue
        if spec is not None:
            return spec
    return None


def _same_file(module: types.ModuleType, spec: ModuleSpec) -> bool:
    mine: str | None = getattr(module, "__file__", None)
    if not spec.has_location or spec.origin is None:  # built in, frozen, or a package without a file
        return mine is None or spec.submodule_search_locations is None
    if mine is None:
        return False
    try:
        return os.path.samefile(mine, spec.origin)
    except OSError:  # within an archive, or gone since
        return os.path.abspath(mine) == os.path.abspath(spec.origin)


def _made_with(module: types.ModuleType, above: types.ModuleType) -> bool:
    """Whether importing the module above makes this one as well: extensions have such parts."""
    loader = getattr(getattr(above, "__spec__", None), "loader", None)
    return not hasattr(module, "__file__") and isinstance(loader, ExtensionFileLoader)
