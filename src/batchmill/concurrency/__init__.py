"""What code that runs side by side needs: cancelling, semaphores, clocks, the event loop of the process."""
