"""The runner's end of a host process: start it, ask for samples, end it with all it started."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.workload import MissingError, Sample, Side, Workload

ROOT = Path(__file__).resolve().parent.parent
OPENING_SECONDS = 120.0
LEAVING_SECONDS = 20.0


class BrokenError(Exception):
    """Raised when a side failed, said nothing in time, or its process died."""


class Session:
    """One side in its own process, in its own process group.

    Raises :class:`MissingError` from the constructor when the side cannot run here, :class:`BrokenError` from
    any method when it fails.
    """

    def __init__(self, workload: Workload, side: Side, n: int, python: str) -> None:
        self._timeout = workload.timeout
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._pending = b""
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.host", workload.name, side.name, str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        )
        try:
            self._answer(OPENING_SECONDS)
        except BaseException:
            self.close()
            raise

    def sample(self) -> Sample:
        """Measure once."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(b"go\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BrokenError(self._last_words()) from None
        return Sample(**self._answer(self._timeout)["sample"])

    def close(self) -> None:
        """Let the side close its pools; after some seconds end it and everything in its group."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(LEAVING_SECONDS)
        except subprocess.TimeoutExpired:
            pass  # ended below by force
        self._end_group()
        self._process.wait()
        self._noise.close()

    def _end_group(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nobody of it is left, as it should be

    def _answer(self, seconds: float) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._line(time.monotonic() + seconds))
        if "missing" in message:
            raise MissingError(message["missing"])
        if "error" in message:
            raise BrokenError(message["error"])
        return message

    def _line(self, deadline: float) -> bytes:
        assert self._process.stdout is not None
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise BrokenError("said nothing in time")
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            if not piece:
                raise BrokenError(self._last_words())
            self._pending += piece
        line, self._pending = self._pending.split(b"\n", 1)
        return line

    def _last_words(self) -> str:
        self._noise.seek(0)
        lines = self._noise.read().decode("utf-8", "replace").strip().splitlines()
        return f"its process ended: {lines[-1] if lines else 'no message'}"
