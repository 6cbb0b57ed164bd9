"""What a run would do, before it does it: the shape of a plan, its nodes, its drawings."""
