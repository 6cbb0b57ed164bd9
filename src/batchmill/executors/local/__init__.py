"""Executors inside this process: one after another, threads, the event loop."""
