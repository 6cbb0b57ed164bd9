"""What items need before they start: rate limits with their budgets, permits of the run."""
