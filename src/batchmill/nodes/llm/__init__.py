"""The ``llm`` node: questions to language models, who answers them, and what is made of the answers."""
