"""Decide what runs next, and run it on threads."""
