"""``batchmill.map``, ``imap``, ``starmap``, ``amap``, ``aimap``: the batch engine for a Python function."""
