"""The ``list-files`` node."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Sequence

from batchmill.attempt import Attempt
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.files import full_path, in_words

_ANY_FOLDERS = "**"


class ListFilesNode(Node):
    """Lists files under a folder. It does not follow symbolic links to folders, so loops cannot occur."""

    type = "list-files"
    requests = False
    only_files = True
    only_default = True
    summary = "List the files of a folder that match a pattern, sorted."
    params = (
        Param("path", "string", "the folder; ~ is the home folder", default="."),
        Param(
            "pattern",
            "string",
            "matched with the path below the folder: * and ? within a name, [abc] one of these, "
            "** any folders; without a / it is matched with the file's name",
            default="*",
        ),
        Param("recursive", "boolean", "whether to look into folders of the folder", default=False),
        Param("hidden", "boolean", "whether to list names that begin with a dot", default=False),
    )
    outputs = (
        Output("files", "array", "paths, each beginning with `path` as given (without it for `.`)"),
        Output("count", "integer", "the number of files"),
        Output("error", "string", "why the folder could not be read", diagnostic=True),
    )

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        full_path(params["path"], "path")
        folder = os.path.expanduser(params["path"])
        pattern = tuple(part for part in params["pattern"].split("/") if part not in ("", "."))
        recursive = params["recursive"] or len(pattern) > 1
        if params["recursive"] and len(pattern) == 1:
            pattern = (_ANY_FOLDERS, *pattern)
        hidden = params["hidden"] or any(part.startswith(".") for part in pattern)
        with in_words("list", folder):
            below = [parts for parts in _walk(folder, (), recursive, hidden) if _matches(parts, pattern)]
        start = () if folder == os.curdir else (folder,)
        files = sorted(os.path.join(*start, *parts) for parts in below)
        if not files:
            attempt.warn("no-files", f"no file in `{params['path']}` matches `{params['pattern']}`")
        return NodeResult({"files": files, "count": len(files)})


def _walk(folder: str, above: tuple[str, ...], recursive: bool, hidden: bool) -> Iterator[tuple[str, ...]]:
    """Paths of files below ``folder``, as their parts. Raises :class:`OSError` for an unreadable folder."""
    with os.scandir(folder) as entries:
        found = [entry for entry in entries if hidden or not entry.name.startswith(".")]
    for entry in found:
        parts = (*above, entry.name)
        if _is_file(entry):
            yield parts
        elif recursive and entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, parts, recursive, hidden)


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself leads to no file
        return False


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == _ANY_FOLDERS:
        # A final `**` means every file below.
        rest = pattern[1:] or ("*",)
        return any(_matches(parts[skipped:], rest) for skipped in range(len(parts)))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])
