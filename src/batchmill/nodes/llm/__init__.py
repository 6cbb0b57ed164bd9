"""The ``llm`` node: questions to language models, their providers, and how answers are handled."""
