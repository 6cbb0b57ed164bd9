"""The ``shell`` node: a command, with or without a shell."""

from __future__ import annotations

import base64
import errno
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.invocation import ways
from batchmill.nodes.process import Completed, run_command
from batchmill.template import to_json, to_text

MAX_OUTPUT_BYTES = 10 * 1024 * 1024
_NOT_FOUND, _NOT_STARTED = 127, 126  # what a shell answers for a command it does not find or cannot run
_SHOWN_CHARACTERS = 500
# What a shell may still be able to start, and has its own words for when it cannot.
_SHELL_KNOWS = (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR)
_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY)
_FAULTS = {
    errno.ENOEXEC: "is not a program the system can run; a script needs a first line such as #!/bin/sh",
    errno.E2BIG: "has arguments or an environment that are too long; pass large values through `stdin`",
    errno.EACCES: "may not be run: look at the rights of the file and its folders",
}


class ShellNode(Node):
    """Runs a command.

    Output that is not UTF-8 is given as base64, so that no byte is lost; ``stdout_is_binary`` tells. What
    of ``stderr`` is not UTF-8 is shown as U+FFFD. After the command ended, what it left running in the
    background and still holds its output is waited for, as a pipeline would; at the timeout all of it is
    killed, except for what made itself a session of its own.
    """

    type = "shell"
    requests = False
    summary = "Run a command: a string through a shell, a list without one."
    params = (
        Param(
            "command",
            "string|array",
            "the command; in a string, values of templates are handed over beside the text and never "
            "pasted into it",
            required=True,
            templates="shell",
        ),
        Param("stdin", "any", "given to the command: text as it is, anything else as JSON"),
        Param("cwd", "string", "the folder to run in; ~ is the home folder"),
        Param(
            "env",
            "object",
            "added to the environment; null takes a variable away. Variables that hold the document's "
            "credentials are not in it unless they are given here",
        ),
        Param("timeout", "number", "seconds until the command and all it started are killed", minimum=0.001),
        Param("ignore_errors", "boolean", "whether a command that fails is no failure", default=False),
        Param("strip_newline", "boolean", "whether trailing newlines of stdout go", default=True),
        Param("shell", "string", "the shell that reads a string: sh, bash, zsh, ...", default="sh"),
        Param("allow_raw", "boolean", "whether ${x | raw} may paste into the command", default=False),
        Param(
            "max_output_bytes",
            "integer",
            "of stdout and of stderr each that are kept; the rest is read and thrown away",
            default=MAX_OUTPUT_BYTES,
            minimum=0,
        ),
    )
    outputs = (
        Output("stdout", "string", "what the command printed"),
        Output("stdout_is_binary", "boolean", "whether `stdout` is base64, being no UTF-8"),
        Output("stderr", "string", "what it printed as errors", diagnostic=True),
        Output("exit_code", "integer", "0 is success; 128 + n after signal n", diagnostic=True),
        Output("error", "string", "why the node failed, empty when it did not", diagnostic=True),
        Output("truncated", "boolean", "whether output was thrown away", diagnostic=True),
    )

    _withheld: frozenset[str] = frozenset()

    def withhold(self, variables: frozenset[str]) -> None:
        self._withheld = variables

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        command = params.get("command")
        if command == [] or (isinstance(command, str) and not command.strip()):
            return [("command", "the command is empty")]
        return []

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        if attempt.cancel.cancelled:
            raise _cancelled()
        timeout = attempt.within(params["timeout"])
        try:
            completed = _run(params, timeout, attempt, self._withheld)
        except _NotStarted as failure:
            return _ended(params, failure.outputs, retryable=failure.retryable)
        except ValueError as error:  # NUL, or a character that has no form in bytes
            raise InvalidParams(f"shell: the command cannot be given to a program: {error}") from error
        if completed.cancelled:
            raise _cancelled()
        if completed.timed_out:
            raise AttemptTimeout(_timeout_message(completed, timeout))
        return _ended(params, _outputs(completed, params["strip_newline"]))


class _NotStarted(Exception):  # never leaves this module
    """Raised when no way of running the command could be started."""

    def __init__(self, error: OSError, program: str, folder: str | None) -> None:
        super().__init__(error, program, folder)
        self.retryable = error.errno in _PASSING
        self.outputs = _not_started(error, program, folder)


def _run(
    params: Mapping[str, Any], timeout: float | None, attempt: Attempt, withheld: frozenset[str]
) -> Completed:
    folder = os.path.expanduser(params["cwd"]) if params["cwd"] else None
    stdin = _stdin(params["stdin"])
    failure = None
    with ExitStack() as files:
        for argv, variables in ways(params["command"], params["shell"], files):
            try:
                return run_command(
                    argv,
                    stdin=stdin,
                    cwd=folder,
                    env=_environment({**(params["env"] or {}), **variables}, withheld),
                    timeout=timeout,
                    max_output_bytes=params["max_output_bytes"],
                    cancel=attempt.cancel,
                    ending=attempt.ending,
                )
            except OSError as error:
                failure = _NotStarted(error, argv[0], folder)
                if error.errno not in _SHELL_KNOWS:
                    break
    assert failure is not None  # noqa: S101  # there is at least one way
    raise failure


def _stdin(value: Any) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    text = value if isinstance(value, str) else to_json(value)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidParams(f"shell: `stdin` is no text that has a form in bytes: {error}") from error


def _environment(added: Mapping[str, Any], withheld: frozenset[str]) -> dict[str, str] | None:
    if not added and not withheld:
        return None
    environment = {name: value for name, value in os.environ.items() if name not in withheld}
    for name, value in added.items():
        if not name or "=" in name:
            raise InvalidParams(f"shell: {name!r} in `env` cannot be the name of a variable")
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = to_text(value)
    return environment


def _outputs(completed: Completed, strip_newline: bool) -> dict[str, Any]:
    stdout = _text(completed.stdout, completed.truncated)
    binary = stdout is None
    if stdout is None:
        stdout = base64.b64encode(completed.stdout).decode("ascii")
    elif strip_newline:
        stdout = stdout.rstrip("\n")
    stderr = completed.stderr.decode("utf-8", "replace")
    return {
        "stdout": stdout,
        "stdout_is_binary": binary,
        "stderr": stderr,
        "exit_code": completed.exit_code,
        "error": _failure(completed, stderr) if completed.exit_code else "",
        "truncated": completed.truncated,
    }


def _text(data: bytes, truncated: bool) -> str | None:
    """``data`` as text, None where it is not UTF-8; a character that the limit cut in half is dropped."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        cut = truncated and error.end == len(data) and error.reason == "unexpected end of data"
        return data[: error.start].decode("utf-8") if cut else None


def _failure(completed: Completed, stderr: str) -> str:
    code = completed.exit_code
    if completed.signal:
        message = f"the command was killed by {_signal_name(completed.signal)} (exit code {code})"
    elif code > 128 and (name := _signal_name(code - 128)):
        message = f"the command failed with exit code {code}, as after {name}"
    else:
        message = f"the command failed with exit code {code}"
    said = stderr.strip()
    if len(said) > _SHOWN_CHARACTERS:
        said = "... " + said[-_SHOWN_CHARACTERS:]
    return f"{message}: {said}" if said else message


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return ""


def _not_started(error: OSError, program: str, folder: str | None) -> dict[str, Any]:
    """Outputs in the words and numbers of a shell that could not start a command."""
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


def _ended(params: Mapping[str, Any], outputs: dict[str, Any], *, retryable: bool = True) -> NodeResult:
    if outputs["exit_code"] and not params["ignore_errors"]:
        raise NodeError(outputs["error"], outputs=outputs, retryable=retryable, type_name="CommandFailed")
    return NodeResult(outputs)


def _timeout_message(completed: Completed, timeout: float | None) -> str:
    message = f"the command did not end within {timeout:.3g} s and was killed with all it had started"
    if completed.escaped:
        message += ", except for a process that made a session of its own and still holds the output open"
    said = completed.stderr.decode("utf-8", "replace").strip()[-_SHOWN_CHARACTERS:]
    return f"{message}: {said}" if said else message


def _cancelled() -> Stopped:
    return Stopped("the run was cancelled")
