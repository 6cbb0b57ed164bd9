"""The document: its models, its JSON Schema, loading it and finding everything that is wrong with it.

Nothing is imported here, so that loading a document costs no import of pydantic: it comes in with
:mod:`batchmill.ir.models` only.
"""
