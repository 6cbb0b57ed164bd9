"""The sources of a batch's items, opened lazily and read in flat memory."""
