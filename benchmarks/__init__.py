"""Benchmarks: batchmill, its peers and what the machine allows, measured side by side in one run.

Run from the repository root: ``python -m benchmarks`` (``--help`` lists the options).
"""
