"""What this machine offers a run, and what would break one."""

from batchmill.doctor.examine import examine
from batchmill.doctor.finding import Finding

__all__ = ["Finding", "examine"]
