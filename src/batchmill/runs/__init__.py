"""Run and resume documents (the composition root)."""

from batchmill.runs.result import RunResult
from batchmill.runs.resume import resume
from batchmill.runs.run import run
from batchmill.runs.settings import RunSettings

__all__ = ["RunResult", "RunSettings", "resume", "run"]
