"""Feeding workers: how many items go into a chunk, who steals from whom, what becomes of a lost chunk."""
