"""Executors: the ways to run a task over items, and the contract they share."""

from batchmill.executors.contract import Channel, Chunk, Executor, ExecutorSettings, Task

__all__ = ["Channel", "Chunk", "Executor", "ExecutorSettings", "Task"]
