"""What a document may say and hardly means, each giving the doubts it finds; nothing is run."""
