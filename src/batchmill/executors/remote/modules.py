"""Send the user's modules to workers that may not have them: find them, and pack them as one archive.

Installed packages must be installed there too. Modules in a folder of the user, such as that of the document
or of the script, travel: all that this process has imported, what the task names, and what these import. A
package travels as a whole, with the data in its folder. The archive is named by its digest, so a changed
module makes another archive, and two files of one name never meet.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickletools
import re
import site
import sys
import sysconfig
import threading
import zipfile
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from batchmill.errors import ExecutorUnavailable
from batchmill.values.words import size

MOST_BYTES = 64 << 20
OWN = "batchmill"  # has to be installed there
SUFFIXES = (".py", ".so", ".pyd")
LEFT_OUT = re.compile(r"__pycache__$|\..*|.*\.(pyc|pyo)$")
NAMED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(:[\w.]*)?\Z")
NAME = r"[^\W\d][\w.]*(?:[ \t]+as[ \t]+\w+)?"
# Text is searched, not parsed: a text that only looks like an import may travel too, which is harmless.
IMPORTS = re.compile(
    r"(?:^|[;:])[ \t]*"
    rf"(?:from[ \t]+([^\W\d][\w.]*)[ \t]+import\b|import[ \t]+({NAME}(?:[ \t]*,[ \t]*{NAME})*))",
    re.MULTILINE,
)
TEXTS = ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE", "GLOBAL")
_lock = threading.Lock()
_known: dict[tuple[str, ...], dict[str, Path]] = {}
"""By the user's folders: modules found for earlier tasks also travel with later ones. So the set only grows,
and worker processes that have imported a part of it can continue."""
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content has the same digest whenever it was written


class Modules(NamedTuple):
    """``archive`` is a zip in which the files of the folder ``before[k]`` are below ``k/``, those of
    ``after`` below the numbers that follow. ``before`` and ``after`` are absolute paths, in the order of
    ``sys.path``: the folders before all installed packages, and the others. ``files`` names each file with
    its content, and the folders: a process that has some of them can see whether they are the same."""

    digest: str
    archive: bytes
    files: frozenset[str]
    before: tuple[str, ...]
    after: tuple[str, ...]


def travelling(*pickles: bytes) -> Modules:
    """The modules that the ``pickles`` need, and those before them. Raises :class:`ExecutorUnavailable` where
    they are too large."""
    before, after = _folders()
    folders = (*before, *after)
    finder = _Finder(folders)
    for name, module in list(sys.modules.items()):
        if _has_file(module):
            finder.add(name)
    for one in pickles:
        for text in _texts(one):
            finder.add_named(text)
    with _lock:
        found = _known[folders] = _known.get(folders, {}) | finder.files()
    archive, files = _packed(found)
    files |= {f"{number}/ {folder}" for number, folder in enumerate(folders)} | {f"{len(before)} before"}
    digest = hashlib.blake2b("\n".join(sorted(files)).encode("utf-8", "surrogateescape"), digest_size=16)
    return Modules(digest.hexdigest(), archive, frozenset(files), before, after)


def _folders() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The user's folders in ``sys.path``, before the first one of installed packages, and after it."""
    installed = _installed()
    before: list[str] = []
    after: list[str] = []
    found = before
    for entry in sys.path:
        folder = os.path.abspath(entry or os.curdir)
        if not os.path.isdir(folder):
            continue
        if any(_within(folder, one) for one in installed):
            found = after
        elif folder not in before and folder not in after:
            found.append(folder)
    return tuple(before), tuple(after)


def _installed() -> set[str]:
    paths = sysconfig.get_paths()
    found = {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {*site.getsitepackages(), site.getusersitepackages()}
    return {os.path.realpath(path) for path in found}


def _within(path: str, folder: str) -> bool:
    real = os.path.realpath(path)
    return real == folder or real.startswith(folder + os.sep)


def _has_file(module: object) -> bool:
    name = getattr(module, "__name__", "")
    return name != "__main__" and isinstance(getattr(module, "__file__", None), str)


def _texts(task: bytes) -> Iterator[str]:
    """The texts in a pickle: names of modules and functions, and source."""
    try:
        for code, argument, _ in pickletools.genops(task):
            if code.name in TEXTS and isinstance(argument, str):
                yield argument.replace(" ", ":", 1) if code.name == "GLOBAL" else argument
    except ValueError:  # a stream with buffers of its own: what was read of it has to do
        return


class _Finder:
    """Gathers files of modules and of their imports, from folders in their order. Used by one thread."""

    def __init__(self, folders: tuple[str, ...]) -> None:
        self._folders = folders
        self._seen: set[str] = set()
        self._files: dict[str, Path] = {}

    def files(self) -> dict[str, Path]:
        """By their names in the archive."""
        return self._files

    def add(self, name: str) -> None:
        """Add a module, by its full name, with its package and all its imports; nothing if it is not one of
        the user's."""
        top = name.partition(".")[0]
        if top in self._seen or top in (OWN, "__main__") or top in sys.stdlib_module_names:
            return
        self._seen.add(top)
        for folder, path in _files_of(top, self._folders):
            self._files[f"{self._folders.index(folder)}/{path.relative_to(folder).as_posix()}"] = path
            if path.suffix == ".py":
                self._add_imports(_read(path))

    def add_named(self, text: str) -> None:
        """Add the modules that a text of the task names: a module, a function as ``module:name``, or imports
        in source."""
        if len(text) < 256 and NAMED.match(text):
            self.add(text.partition(":")[0])
        elif "import" in text:
            self._add_imports(text)

    def _add_imports(self, source: str) -> None:
        for package, names in IMPORTS.findall(source):
            for name in (package or names).split(","):
                self.add(name.split()[0])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):  # in another encoding, which is rare: what it imports is not seen
        return ""


def _files_of(top: str, folders: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """The files of the module or package that an import of ``top`` finds here, each with the one of
    ``folders`` that it is in."""
    spec = getattr(sys.modules.get(top), "__spec__", None) or PathFinder.find_spec(top)
    if spec is None:
        return
    for place in spec.submodule_search_locations or ():
        folder, name = os.path.split(os.path.abspath(place))
        if folder in folders:  # without `__init__.py` it may be a folder of anything
            yield from (
                (folder, path) for path in _below(Path(folder, name), only_code=not spec.has_location)
            )
    if spec.submodule_search_locations is None and spec.has_location and spec.origin:
        path = Path(os.path.abspath(spec.origin))
        if str(path.parent) in folders:
            yield str(path.parent), path


def _below(package: Path, *, only_code: bool) -> Iterator[Path]:
    for inside, folders, names in os.walk(package):
        folders[:] = sorted(name for name in folders if not LEFT_OUT.match(name))
        for name in sorted(names):
            path = Path(inside, name)
            if not LEFT_OUT.match(name) and path.is_file() and (not only_code or name.endswith(SUFFIXES)):
                yield path


def _packed(files: dict[str, Path]) -> tuple[bytes, set[str]]:
    """The archive, and the name of each file in it with the digest of its content."""
    out = io.BytesIO()
    named = set()
    total = 0
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in sorted(files.items()):
            try:
                content = path.read_bytes()
            except OSError:  # gone since it was found, or not for us: who imports it is told
                continue
            total += len(content)
            if total > MOST_BYTES:
                raise ExecutorUnavailable(
                    f"the modules that would travel to workers are more than {size(MOST_BYTES)}, the last of "
                    f"them {path}; move data out of the package, or install it on the workers"
                )
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
            named.add(f"{name} {hashlib.blake2b(content, digest_size=16).hexdigest()}")
    return out.getvalue(), named
