"""Turn the ``command`` of a shell node into the system call that runs it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from batchmill.errors import InvalidParams
from batchmill.nodes.files import in_words
from batchmill.template import to_text
from batchmill.template.shell import ShellCommand

VALUE_PREFIX = "batchmill-"
Way = tuple[list[str], dict[str, str]]


def ways(command: object, shell: str, files: ExitStack, folder: str | None = None) -> Iterator[Way]:
    """Argument lists to try, cheapest first, each with the variables it needs; at least one.

    All of them do the same; the next one is for when the one before cannot be started. Files they need
    are made in ``folder``, among temporary files without one, and removed when ``files`` is closed.
    Raises :class:`~batchmill.errors.InvalidParams`.
    """
    if isinstance(command, ShellCommand):
        if command.argv:
            _require_text(command.argv[0])
            yield list(command.argv), {}
        if command.script:
            _require_text(command.script)
            yield (
                ShellCommand(script=command.script).arguments(shell),
                command.environment(_storing(files, folder)),
            )
        elif not command.argv:
            _require_text("")
    elif isinstance(command, str):
        _require_text(command)
        yield ShellCommand(script=command).arguments(shell), {}
    elif isinstance(command, (list, tuple)):
        argv = [to_text(part) for part in command]
        _require_text(argv[0] if argv else "")
        yield argv, {}
    else:
        raise InvalidParams(f"shell: a command is a string or a list, not a {type(command).__name__}")


def _require_text(text: str) -> None:
    if not text.strip():
        raise InvalidParams("shell: the command is empty; in a list, the first part is the program")


def _storing(files: ExitStack, folder: str | None) -> Callable[[str], str]:
    """A function that writes a text into a new file, which only this user can read."""

    def store(text: str) -> str:
        with in_words("store a large value for the command in", folder or tempfile.gettempdir()):
            number, path = tempfile.mkstemp(prefix=VALUE_PREFIX, dir=folder)
            files.callback(os.unlink, path)
            with open(number, "wb") as file:
                file.write(os.fsencode(text))
        return path

    return store
