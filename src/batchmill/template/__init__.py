"""Templates: text with ``${...}`` in it, what the names in it mean, and resolving it without running code."""
