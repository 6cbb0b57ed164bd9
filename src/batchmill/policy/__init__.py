"""Policies: when to try again, and what failures do to a batch."""

from batchmill.policy.failures import FailurePolicy, FailureWatch
from batchmill.policy.retry import Decision, RetryPolicy

__all__ = ["Decision", "FailurePolicy", "FailureWatch", "RetryPolicy"]
