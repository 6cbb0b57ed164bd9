"""Conditions for items to start: rate limits with their budgets, permits of the run."""
