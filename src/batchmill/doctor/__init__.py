"""A check of this machine: what it offers to a run, and what would break one."""

from batchmill.doctor.examine import examine
from batchmill.doctor.finding import CheckResult

__all__ = ["CheckResult", "examine"]
