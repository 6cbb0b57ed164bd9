"""From a document to a plan, with all problems and warnings at once."""
