"""The document: its models, its JSON Schema, loading, and checks that find all faults.

This package imports nothing, so loading a document does not import pydantic; only :mod:`batchmill.ir.models`
does.
"""
