"""Run and resume documents (the composition root)."""
