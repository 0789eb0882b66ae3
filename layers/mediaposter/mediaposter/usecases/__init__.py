"""The use cases; each gets its collaborators as arguments."""
