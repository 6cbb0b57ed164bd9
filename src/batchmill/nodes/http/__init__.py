"""The ``http`` node: where requests go, what they carry, and how answers are handled."""
