"""What runs next, and the threads on which it does."""
