"""The ``http`` node: where requests go, what they carry, and what is made of the answers."""
