"""``batchmill.map`` and its kin: the batch engine for a Python function."""
