"""How many items may be in flight at most."""

MOST_CONCURRENT = 1000
"""Where a number says how many."""

MOST_ADAPTIVE = 10_000
"""At the top of a range: the service has the last word."""
