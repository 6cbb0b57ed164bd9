"""The ``shell`` node: a command, with or without a shell."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, ClassVar

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, InvalidParams, NodeError, Stopped
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.command_outputs import end_of, outputs_of, outputs_of_none, timeout_message
from batchmill.nodes.contract import Node, NodeResult, Output, Param
from batchmill.nodes.encodings import (
    ENCODING_WORDS,
    UTF_8,
    encoding_faults,
    lookup,
)
from batchmill.nodes.invocation import ways
from batchmill.nodes.process import Completed, Sink, run_command
from batchmill.template import ShellCommand, to_json, to_text

MAX_OUTPUT_BYTES = 10 * 1024 * 1024
# Errors after which a shell may still be able to start the command, or has its own message for the failure.
_SHELL_KNOWS = (errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR)
_PASSING = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY)


class ShellNode(Node):
    """Runs a command.

    Output that is not valid in the requested ``encoding``, and output beyond ``max_output_bytes``, fail the
    node, so that no output is changed or cut silently. If the command itself failed, such bytes are shown as
    escapes. After the command ends, background processes that still hold its output are waited for, as in a
    pipeline; at the timeout all of them are killed, except those that made a session of their own.
    """

    type = "shell"
    requests = False
    only_default = True
    summary = "Run a command: a string through a shell, a list without one."
    params: ClassVar[tuple[Param, ...]] = (
        Param(
            "command",
            "string|array",
            "the command; in a string, the shell gets values of templates as variables, never "
            "pasted into the text",
            required=True,
            templates="shell",
        ),
        Param("stdin", "any", "the command's standard input: text as it is, anything else as JSON"),
        Param("cwd", "string", "the folder to run in; ~ is the home folder"),
        Param(
            "env",
            "object",
            "variables to add to the environment; null removes one. Variables that hold the "
            "document's credentials are not in it unless you name them here",
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
            "the limit for each of stdout and stderr; a command that prints more fails",
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
        Output("stderr", "string", "what the command printed to stderr", diagnostic=True),
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

    @classmethod
    def needs_folder(cls, params: Mapping[str, object]) -> str:
        folder = params.get("cwd")
        elsewhere = isinstance(folder, str) and folder.startswith(("/", "~", "${"))
        return "" if elsewhere else "its command runs there"

    def check(self, params: Mapping[str, object]) -> list[tuple[str, str]]:
        command = params.get("command")
        if command == [] or (isinstance(command, str) and not command.strip()):
            return [("command", "the command is empty")]
        return encoding_faults(params)

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
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
            raise AttemptTimeout(message, {**outputs_of(completed, params), "error": message})
        outputs = outputs_of(completed, params)
        if completed.truncated:
            limit = f"output beyond {params['max_output_bytes']:,} bytes was thrown away"
            attempt.warn("cut-short", limit, "raise `max_output_bytes`, or write the output to a file")
        return _ended(params, outputs)


class NotStarted(Exception):  # never leaves this room
    """Raised if no way of starting a command worked. ``outputs`` are those that a shell would have given."""

    def __init__(self, error: OSError, program: str, folder: str | None) -> None:
        super().__init__(error, program, folder)
        self.retryable = error.errno in _PASSING
        self.outputs = outputs_of_none(error, program, folder)


def completed_command(
    params: Mapping[str, object],
    timeout: float | None,
    attempt: Attempt,
    withheld: frozenset[str],
    sinks: tuple[Sink, Sink] | None = None,
) -> Completed:
    """The completed command that a shell node's ``params`` describe; ``sinks`` are those of
    :func:`~batchmill.nodes.process.run_command`.

    Raises :class:`NotStarted`, :class:`~batchmill.errors.InvalidParams`, and
    :class:`~batchmill.errors.Stopped` if the run was cancelled.
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
    params: BoundParams,
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


def _stdin(value: object) -> bytes | None:
    if value is None:
        return None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    text = value if isinstance(value, str) else to_json(value)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidParams(f"shell: `stdin` cannot be written as bytes: {error}") from error


def _environment(added: Mapping[str, object], withheld: frozenset[str]) -> dict[bytes, bytes] | None:
    """In bytes: to decode a hundred variables and encode them again takes a tenth of the time of a
    command."""
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


def _ended(params: Mapping[str, object], outputs: dict[str, Any], *, retryable: bool = True) -> NodeResult:
    if outputs["exit_code"] and not params["ignore_errors"]:
        if not outputs["stderr"].strip() and not outputs["stdout_is_binary"] and outputs["stdout"].strip():
            # many checkers report faults on stdout
            outputs["error"] += f"; it printed: {end_of(outputs['stdout'])}"
        raise NodeError(outputs["error"], outputs=outputs, retryable=retryable, type_name="CommandFailed")
    return NodeResult(outputs)


def _cancelled() -> Stopped:
    return Stopped("the run was cancelled")
