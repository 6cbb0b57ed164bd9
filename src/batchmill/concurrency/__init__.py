"""Tools for concurrent code: cancelling, semaphores, clocks, the event loop of the process."""
