"""The executor that measures the first items and chooses where the rest run."""
