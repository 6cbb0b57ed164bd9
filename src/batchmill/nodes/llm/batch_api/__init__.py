"""Requests that are sent together in files, answered within a day and cheaper."""
