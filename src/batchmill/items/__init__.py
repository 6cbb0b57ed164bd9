"""Where items come from: the sources of a batch, opened lazily and read in flat memory."""
