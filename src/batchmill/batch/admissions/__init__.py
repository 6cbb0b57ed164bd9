"""What must let items start, beside their being there: rate limits with their budgets, permits of the run."""
