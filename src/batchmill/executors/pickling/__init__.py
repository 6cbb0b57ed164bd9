"""Pickling of what a user gives: closures, classes of ``__main__``, and the blame for what cannot travel."""
