"""Policies: when to retry, and how failures affect a batch."""

from batchmill.policy.failures import FailurePolicy, FailureWatch
from batchmill.policy.retry import NO_RETRIES, Decides, RetryDecision, RetryPolicy

__all__ = ["NO_RETRIES", "Decides", "FailurePolicy", "FailureWatch", "RetryDecision", "RetryPolicy"]
