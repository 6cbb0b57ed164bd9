"""Run one node once: singly, as a batch, as a stage of a stream, in a loop."""
