"""Waiting for what other code does: coroutines, from callers that block; code with a time limit; results that
are only promised.

Nothing is imported here: each module costs what it imports, and most items need none of them.
"""
