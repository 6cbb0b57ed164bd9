"""The outputs of a command, and why it failed, in words."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

from batchmill.errors import NodeError
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.encodings import AUTO, BINARY, UTF_8, as_text, readable
from batchmill.nodes.process import Completed
from batchmill.values.redaction import shortened

_NOT_FOUND, _NOT_STARTED = 127, 126  # what a shell answers for a command it does not find or cannot run
_SHOWN_CHARACTERS = 500
_FAULTS = {
    errno.ENOEXEC: "is not a program the system can run; a script needs a first line such as #!/bin/sh",
    errno.E2BIG: "has arguments or an environment that are too long; pass large values through `stdin`, "
    "which is --stdin of `map`",
    errno.EACCES: "may not be run: look at the rights of the file and its folders",
}


def outputs_of(completed: Completed, params: BoundParams) -> dict[str, Any]:
    """The outputs of a command that ended. Raises :class:`~batchmill.errors.NodeError` for output that is
    incomplete or cannot be decoded, unless the command failed anyway."""
    said = readable(completed.stderr)
    failed = completed.timed_out or (completed.exit_code != 0 and not params["ignore_errors"])
    outputs = {
        "stdout": readable(completed.stdout),
        "stdout_is_binary": False,
        "stderr": said,
        "exit_code": completed.exit_code,
        "error": failure_of(completed, said) if completed.exit_code else "",
        "truncated": completed.truncated,
    }
    if completed.truncated and not (failed or params["truncate"]):
        raise _too_much(params["max_output_bytes"], outputs)
    encoding = params["encoding"]
    cut = completed.truncated or completed.timed_out
    try:
        stdout, binary = as_text(_whole(completed.stdout, cut), encoding, "what it printed")
        # With base64 for stdout, stderr is still text for people.
        stderr = said if encoding in (BINARY, AUTO) else as_text(completed.stderr, encoding, "its stderr")[0]
    except NodeError as fault:
        if failed:
            return outputs
        fault.outputs = {**outputs, "error": fault.message}
        raise
    if not binary and params["strip_newline"]:
        stdout = stdout.rstrip("\n")
    return {**outputs, "stdout": stdout, "stdout_is_binary": binary, "stderr": stderr}


def _whole(data: bytes, cut: bool) -> bytes:
    """``data`` without a character of UTF-8 that was cut in half by force."""
    if cut:
        try:
            data.decode(UTF_8)
        except UnicodeDecodeError as error:
            if error.end == len(data) and error.reason == "unexpected end of data":
                return data[: error.start]
    return data


def _too_much(most: int, outputs: dict[str, object]) -> NodeError:
    message = (
        f"the command printed more than {most:,} bytes (`max_output_bytes`); let it write to a file, raise "
        "the limit, or set `truncate` where the beginning is enough"
    )
    outputs = {**outputs, "error": message}
    return NodeError(message, outputs=outputs, retryable=False, type_name="OutputTooLarge")


def failure_of(completed: Completed, stderr: str) -> str:
    """Why a command failed, in words, with the end of its ``stderr``."""
    code = completed.exit_code
    if completed.signal:
        message = f"the command was killed by {_signal_name(completed.signal)} (exit code {code})"
    elif code > 128 and (name := _signal_name(code - 128)):
        message = f"the command failed with exit code {code}, as after {name}"
    else:
        message = f"the command failed with exit code {code}"
    said = end_of(stderr)
    return f"{message}: {said}" if said else message


def end_of(text: str) -> str:
    return shortened(text.strip(), _SHOWN_CHARACTERS, "end", more="... ")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def outputs_of_none(error: OSError, program: str, folder: str | None) -> dict[str, object]:
    """Outputs of a command that could not be started, in the words and numbers of a shell."""
    code = _NOT_STARTED
    if folder is not None and not os.path.isdir(folder):
        code, message = _NOT_FOUND, f"the folder to run in (`cwd`) does not exist: {folder!r}"
    elif isinstance(error, FileNotFoundError):
        code, message = _NOT_FOUND, f"command not found: {program!r}"
    else:
        message = f"{program!r} {_FAULTS.get(error.errno or 0) or f'cannot be started: {error.strerror}'}"
    return {
        "stdout": "",
        "stdout_is_binary": False,
        "stderr": "",
        "exit_code": code,
        "error": message,
        "truncated": False,
    }


def timeout_message(completed: Completed, timeout: float) -> str:
    """The message for a command that was killed at its timeout of so many seconds, with the end of its
    stderr."""
    message = f"the command did not end within {timeout:g} s and was killed with all it had started"
    if completed.escaped:
        message += ", except for a process that made a session of its own and still holds the output open"
    said = shortened(readable(completed.stderr).strip(), _SHOWN_CHARACTERS, "end", more="")
    return f"{message}: {said}" if said else message
