"""Run one item, on any executor: attempts, errors as data, the progress of a worker."""
