"""Pickle what a user gives: closures, classes of ``__main__``, and name what cannot be pickled."""
