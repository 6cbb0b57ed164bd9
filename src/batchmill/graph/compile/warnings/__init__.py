"""Warnings of a document: each module returns the likely mistakes it finds; nothing runs."""
