"""How one item is run, wherever that is: attempts, what an error is told as, how far a worker is."""
