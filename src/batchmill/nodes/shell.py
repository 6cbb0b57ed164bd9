"""The ``shell`` node: a command, with or without a shell."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.encodings import (
    AUTO,
    BINARY,
    ENCODING_WORDS,
    UTF_8,
    as_text,
    encoding_faults,
    lookup,
    readable,
)
from batchmill.nodes.invocation import ways
from batchmill.nodes.process import Completed, Sink, run_command
from batchmill.template import ShellCommand, to_json, to_text
from batchmill.values.redaction import shortened

MAX_OUTPUT_BYTES = 10 * 1024 * 1024
_NOT_FOUND, _NOT_STARTED = 127, 126  # what a shell answers for a command it does not find or cannot run
_SHOWN_CHARACTERS = 500
# What a shell may still be able to start, and has its own words for when it cannot.
_SHELL_KNOWS = (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR)
_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY)
_FAULTS = {
    errno.ENOEXEC: "is not a program the system can run; a script needs a first line such as #!/bin/sh",
    errno.E2BIG: "has arguments or an environment that are too long; pass large values through `stdin`, "
    "which is --stdin of `map`",
    errno.EACCES: "may not be run: look at the rights of the file and its folders",
}


class ShellNode(Node):
    """Runs a command.

    Output that is no text of the ``encoding`` asked for, and output beyond ``max_output_bytes``, fail the
    node, so that nothing is changed or cut without a word. Of a command that failed by itself such bytes are
    shown as escapes. After the command ended, what it left running in the
    background and still holds its output is waited for, as a pipeline would; at the timeout all of it is
    killed, except for what made itself a session of its own.
    """

    type = "shell"
    requests = False
    only_default = True
    summary = "Run a command: a string through a shell, a list without one."
    params: ClassVar[tuple[Param, ...]] = (
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
        Param(
            "timeout",
            "number",
            "seconds until the command and all it started are killed",
            minimum=0.001,
            content=False,
        ),
        Param("ignore_errors", "boolean", "treat a failing command as success", default=False),
        Param("strip_newline", "boolean", "remove trailing newlines from stdout", default=True),
        Param("shell", "string", "the shell that runs a string: sh, bash, zsh, ...", default="sh"),
        Param("allow_raw", "boolean", "allow ${x | raw}, which pastes into the command", default=False),
        Param("encoding", "string", ENCODING_WORDS, default=UTF_8),
        Param(
            "max_output_bytes",
            "integer",
            "of stdout and of stderr each; a command that prints more fails",
            default=MAX_OUTPUT_BYTES,
            minimum=0,
        ),
        Param(
            "truncate",
            "boolean",
            "keep only the first `max_output_bytes` instead of failing, and set `truncated`",
            default=False,
        ),
    )
    outputs: ClassVar[tuple[Output, ...]] = (
        Output("stdout", "string", "what the command printed, even if it failed"),
        Output("stdout_is_binary", "boolean", "whether `stdout` is base64 of it"),
        Output("stderr", "string", "what it printed as errors", diagnostic=True),
        Output("exit_code", "integer", "0 is success; 128 + n after signal n", diagnostic=True),
        Output("error", "string", "why the node failed, empty if it did not", diagnostic=True),
        Output("truncated", "boolean", "whether output was cut", diagnostic=True),
    )

    _withheld: frozenset[str] = frozenset()

    _folder: str | None = None

    def withhold(self, variables: frozenset[str]) -> None:
        self._withheld = variables

    def work_in(self, folder: str) -> None:
        self._folder = folder

    def check(self, params: Mapping[str, Any]) -> list[tuple[str, str]]:
        command = params.get("command")
        if command == [] or (isinstance(command, str) and not command.strip()):
            return [("command", "the command is empty")]
        return encoding_faults(params)

    def run(self, params: Mapping[str, Any], attempt: Attempt) -> NodeResult:
        if attempt.cancel.cancelled:
            raise _cancelled()
        lookup(params["encoding"])
        if attempt.folder is None and self._folder is not None:
            attempt = replace(attempt, folder=self._folder)
        timeout = attempt.within(params["timeout"])
        try:
            completed = completed_command(params, timeout, attempt, self._withheld)
        except NotStarted as failure:
            return _ended(params, failure.outputs, retryable=failure.retryable)
        if completed.timed_out:
            message = timeout_message(completed, attempt.given(params["timeout"]))
            raise AttemptTimeout(message, {**_outputs(completed, params), "error": message})
        outputs = _outputs(completed, params)
        if completed.truncated:
            limit = f"output beyond {params['max_output_bytes']:,} bytes was thrown away"
            attempt.warn("cut-short", limit, "raise `max_output_bytes`, or write the output to a file")
        return _ended(params, outputs)


class NotStarted(Exception):  # never leaves this room
    """Raised when no way of running a command could be started. ``outputs`` are what a shell would have said
    of it."""

    def __init__(self, error: OSError, program: str, folder: str | None) -> None:
        super().__init__(error, program, folder)
        self.retryable = error.errno in _PASSING
        self.outputs = _not_started(error, program, folder)


def completed_command(
    params: Mapping[str, Any],
    timeout: float | None,
    attempt: Attempt,
    withheld: frozenset[str],
    sinks: tuple[Sink, Sink] | None = None,
) -> Completed:
    """What became of the command that a shell node's ``params`` describe; ``sinks`` are those of
    :func:`~batchmill.nodes.process.run_command`.

    Raises :class:`NotStarted`, :class:`~batchmill.errors.InvalidParams`, and
    :class:`~batchmill.errors.Stopped` where the run was cancelled.
    """
    try:
        completed = _completed(params, timeout, attempt, withheld, sinks)
    except ValueError as error:  # NUL, or a character that has no form in bytes
        raise InvalidParams(f"shell: the command cannot be given to a program: {error}") from error
    attempt.recorder.ran(completed.commands)
    if completed.cancelled:
        raise _cancelled()
    return completed


def _completed(
    params: Mapping[str, Any],
    timeout: float | None,
    attempt: Attempt,
    withheld: frozenset[str],
    sinks: tuple[Sink, Sink] | None,
) -> Completed:
    folder = os.path.expanduser(params["cwd"]) if params["cwd"] else None
    if attempt.folder is not None:
        folder = os.path.join(attempt.folder, folder or "")
    added = params["env"] or {}
    if isinstance(params["command"], ShellCommand):
        params["command"].check_variables({name: to_text(value) for name, value in added.items()})
    stdin = _stdin(params["stdin"])
    failure = None
    with ExitStack() as files:
        folder_of_files = params.get("outputs")  # which only the node of `map` has
        for argv, variables in ways(params["command"], params["shell"], files, folder_of_files):
            try:
                return run_command(
                    argv,
                    stdin=stdin,
                    cwd=folder,
                    env=_environment({**added, **variables}, withheld),
                    timeout=timeout,
                    max_output_bytes=params["max_output_bytes"],
                    sinks=sinks,
                    cancel=attempt.cancel,
                    ending=attempt.ending,
                )
            except OSError as error:
                failure = NotStarted(error, argv[0], folder)
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


def _environment(added: Mapping[str, Any], withheld: frozenset[str]) -> dict[bytes, bytes] | None:
    """As bytes: to decode a hundred variables and encode them again takes a tenth of what a command does."""
    if not added and not withheld:
        return None
    environment: dict[bytes, bytes] = dict(getattr(os.environ, "_data", None) or os.environb)
    for name in withheld:
        environment.pop(os.fsencode(name), None)
    for name, value in added.items():
        if not name or "=" in name:
            raise InvalidParams(f"shell: {name!r} in `env` cannot be the name of a variable")
        if value is None:
            environment.pop(os.fsencode(name), None)
        else:
            environment[os.fsencode(name)] = os.fsencode(to_text(value))
    return environment


def _outputs(completed: Completed, params: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a command that ended. Raises :class:`~batchmill.errors.NodeError` for output that cannot
    be given whole and as it is, but for a command that failed anyway."""
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
        # Who asks for the bytes of stdout wants to read stderr all the same.
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


def _too_much(most: int, outputs: dict[str, Any]) -> NodeError:
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
    said = _end_of(stderr)
    return f"{message}: {said}" if said else message


def _end_of(text: str) -> str:
    return shortened(text.strip(), _SHOWN_CHARACTERS, "end", more="... ")


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
        if not outputs["stderr"].strip() and not outputs["stdout_is_binary"] and outputs["stdout"].strip():
            # many a checker says what is wrong on stdout
            outputs["error"] += f"; it printed: {_end_of(outputs['stdout'])}"
        raise NodeError(outputs["error"], outputs=outputs, retryable=retryable, type_name="CommandFailed")
    return NodeResult(outputs)


def timeout_message(completed: Completed, timeout: float) -> str:
    """What is said of a command that was killed at its timeout of so many seconds, with the end of its
    stderr."""
    message = f"the command did not end within {timeout:g} s and was killed with all it had started"
    if completed.escaped:
        message += ", except for a process that made a session of its own and still holds the output open"
    said = shortened(readable(completed.stderr).strip(), _SHOWN_CHARACTERS, "end", more="")
    return f"{message}: {said}" if said else message


def _cancelled() -> Stopped:
    return Stopped("the run was cancelled")
