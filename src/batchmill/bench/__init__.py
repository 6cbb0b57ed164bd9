"""The same work under several executors and interpreters: measured, compared, drawn."""
