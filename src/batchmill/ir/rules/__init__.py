"""The rules that parts of a document must keep towards each other, each giving the faults it finds."""
