"""Executors: the ways to run a task over items, and the contract they share."""
