"""Policies: when to try again, and what failures do to a batch."""

from batchmill.policy.failures import FailurePolicy, FailureWatch
from batchmill.policy.retry import RetryDecision, RetryPolicy

__all__ = ["FailurePolicy", "FailureWatch", "RetryDecision", "RetryPolicy"]
