"""The node behind ``batchmill map``: one command for one item, with all of its output."""

from __future__ import annotations

import glob
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from batchmill.attempt import Attempt
from batchmill.errors import AttemptTimeout, NodeError, StorageError, UnsafeValue
from batchmill.nodes.bound import BoundParams
from batchmill.nodes.command_outputs import failure_of, timeout_message
from batchmill.nodes.contract import NodeResult, Output, Param
from batchmill.nodes.placeholders import Placeholder, view_of
from batchmill.nodes.process import Completed
from batchmill.nodes.shell import NotStarted, ShellNode, completed_command
from batchmill.nodes.slots import slot
from batchmill.nodes.spool import Spool
from batchmill.template import ShellCommand

NUMBER, SLOT = "{#}", "{%}"
INDEX, KEY, TEXT, SIZE = (
    "index",
    "key",
    "text",
    "size",
)  # in what templates see of the item; no placeholder is written so
STREAMS = ("stdout", "stderr")
INDEX_VARIABLE, KEY_VARIABLE = "BATCHMILL_INDEX", "BATCHMILL_ITEM_KEY"
"""Environment variables that tell a command its item."""
_OURS = secrets.token_hex(4)  # of this process and those forked from it
_WHOLE = Placeholder("{}")
_KEY_BYTES = 16
_TEMPLATE = re.compile(r"\$\{item\[\"(.*?)\"\](?: \| raw)?\}")
_TAKEN_OVER = ("command", "stdin", "cwd", "env", "timeout", "shell")


class CommandNode(ShellNode):
    """Keeps the output of a command unchanged and complete: small output as text with ``surrogateescape``,
    larger output in a file (``stdout_file``), which the run owns.

    As the item, templates see the texts of its ``placeholders``, and its ``index``, ``key`` and ``text``.
    """

    type = "command"
    summary = "Run the command of `batchmill map` for one item."
    params = (
        *(param for param in ShellNode.params if param.name in _TAKEN_OVER),
        Param("placeholders", "array", "what stands for the item in the command", templates="none"),
        Param("several", "boolean", "whether an item has a value of each of several sources", default=False),
        Param("grouped", "boolean", "whether those are items of a group", default=False),
        Param("members", "array", "words that stand for one item of a group", templates="none", default=[]),
        Param("size", "string", "how many items the group has", default="0"),
        Param("number", "integer", "the position of the item, where the command depends on it"),
        Param("run", "string", "what the keys of the items are made unique with", default=""),
        Param("outputs", "string", "the folder for what is too much to be held", required=True),
        Param("ok_codes", "array", "exit codes that are no failure", default=[0]),
    )
    outputs = (
        Output("stdout", "string", "what the command printed, as it is", diagnostic=True),
        Output("stderr", "string", "what it printed as errors, as it is", diagnostic=True),
        Output("exit_code", "integer", "0 is success; 128 + n after signal n", diagnostic=True),
        Output("stdout_file", "string", "the file with it, where that is much", diagnostic=True),
        Output("stderr_file", "string", "the file with it, where that is much", diagnostic=True),
        Output("error", "string", "why the command failed", diagnostic=True),
    )

    @contextmanager
    def seen(self, item: Any, index: int, params: BoundParams) -> Iterator[dict[str, object]]:
        """The value of ``item`` in templates; a slot is held meanwhile."""
        written = [Placeholder.of(one) for one in params.get("placeholders") or ()]
        names = {one.written for one in written}
        several = bool(params.get("several"))
        own = {INDEX: str(index), KEY: key_of(item, params.get("run", ""))}
        own[TEXT] = _WHOLE.text(item, several)
        if params.get("grouped"):
            own |= _of_group(item, written)
        if NUMBER in names:
            own[NUMBER] = str(index + 1)
        with ExitStack() as held:
            if SLOT in names:
                own[SLOT] = str(_slot(held, params["outputs"]))
            try:
                yield view_of(written, item, several, own)
            except UnsafeValue as fault:
                raise UnsafeValue(as_typed(str(fault))) from None

    def run(self, params: BoundParams, attempt: Attempt) -> NodeResult:
        params = {**_FIXED, **params, "command": present(params)}
        place = f"{(params['env'] or {}).get(INDEX_VARIABLE, '')}-{os.getpid()}-{_OURS}"
        out, err = (Spool(params["outputs"], f"{name}.{place}") for name in STREAMS)
        if attempt.number > 1:
            _remove_earlier(params["outputs"], place)
        try:
            outputs = self._completed(params, attempt, (out, err))
        except BaseException as error:
            if not getattr(error, "outputs", None):  # nobody will read them
                out.discard()
                err.discard()
            raise
        finally:
            out.close()
            err.close()
        return NodeResult(outputs)

    def _completed(
        self,
        params: BoundParams,
        attempt: Attempt,
        spools: tuple[Spool, Spool],
    ) -> dict[str, object]:
        timeout = attempt.within(params["timeout"])
        try:
            completed = completed_command(params, timeout, attempt, self._withheld, spools)
        except NotStarted as failure:
            outputs = {name: failure.outputs[name] for name in (*STREAMS, "exit_code", "error")}
            raise _failed(outputs, retryable=failure.retryable) from None
        _raise_fault(params["outputs"], spools)
        outputs = _outputs(completed, spools)
        if completed.timed_out:
            message = timeout_message(completed, attempt.given(params["timeout"]))
            raise AttemptTimeout(message, {**outputs, "error": message})
        if completed.exit_code not in params["ok_codes"]:
            raise _failed({**outputs, "error": failure_of(completed, _text(completed.stderr))})
        return outputs


def present(params: BoundParams) -> object:
    """The command without the words for items that the last, smaller group does not have."""
    command, size = params["command"], int(params.get(SIZE) or 0)
    missing = {place for place, number in params.get("members") or () if number >= size}
    if not missing or not isinstance(command, ShellCommand):
        return command
    return replace(command, argv=tuple(one for place, one in enumerate(command.argv) if place not in missing))


def _of_group(item: list[object], written: list[Placeholder]) -> dict[str, str]:
    """Further values for templates of a group of items: its size, the missing items, and a line for each
    item."""
    absent = {one.written: "" for one in written if one.source is not None and one.source >= len(item)}
    lines = "".join(f"{_WHOLE.text(one, False)}\n" for one in item)
    return {**absent, SIZE: str(len(item)), TEXT: lines}


def _remove_earlier(folder: str, place: str) -> None:
    """Remove the output files of an earlier attempt, which nobody will read."""
    for path in glob.glob(os.path.join(glob.escape(folder), f"*.{place}.*")):
        with suppress(OSError):
            os.unlink(path)


_FIXED = {"max_output_bytes": 0, "strip_newline": False}


def as_typed(text: str) -> str:
    """A message with the placeholders as typed, in place of the templates made of them."""
    return _TEMPLATE.sub(lambda found: found[1].replace('\\"', '"'), text)


def _slot(held: ExitStack, folder: str) -> int:
    try:
        return held.enter_context(slot(folder))
    except OSError as fault:
        raise StorageError(f"no slot can be taken in {folder}: {fault.strerror or fault}") from fault


def _failed(outputs: dict[str, Any], *, retryable: bool = True) -> NodeError:
    return NodeError(outputs["error"], outputs=outputs, retryable=retryable, type_name="CommandFailed")


def _outputs(completed: Completed, spools: tuple[Spool, Spool]) -> dict[str, object]:
    outputs: dict[str, Any] = {}
    for name, spool, data in zip(STREAMS, spools, (completed.stdout, completed.stderr), strict=True):
        outputs[name] = _text(data) if spool.path is None else ""
    outputs["exit_code"] = completed.exit_code
    for name, spool in zip(STREAMS, spools, strict=True):
        if spool.path is not None:
            outputs[f"{name}_file"] = spool.path
    return outputs


def _raise_fault(folder: str, spools: tuple[Spool, Spool]) -> None:
    fault = next((spool.fault for spool in spools if spool.fault is not None), None)
    if fault is not None:
        raise StorageError(
            f"what the command printed cannot be kept in {folder}: {fault.strerror or fault}; make room and "
            "resume the run"
        ) from fault


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def key_of(item: object, run: str) -> str:
    """A key that identifies the item in all runs: the same at every attempt and when the run is resumed, at
    any position."""
    text = json.dumps([run, item], sort_keys=True, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).hexdigest()
