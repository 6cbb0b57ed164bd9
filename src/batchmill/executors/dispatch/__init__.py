"""Feed workers: how large chunks are, who steals from whom, what happens to a lost chunk."""
