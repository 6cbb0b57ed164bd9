"""Plans of a run: the shape of a plan, its nodes, its drawings."""
