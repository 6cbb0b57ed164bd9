"""The process executor: a pool of loky workers, each on a pipe of its own."""
