"""Requests that are not made one by one but handed over in files, answered within a day and cheaper."""
