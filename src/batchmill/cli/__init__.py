"""The command ``batchmill``: one file per command, imported when it is called."""
