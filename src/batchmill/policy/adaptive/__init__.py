"""Limits that adapt themselves: the controller of calls in flight and of their rate, and its parts."""
