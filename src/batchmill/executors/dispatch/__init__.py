"""Dispatching: the sizes of chunks, work stealing, and the rules for lost chunks."""
