"""Results of a batch: in memory, in lists that go to disk, in files."""
