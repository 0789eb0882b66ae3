"""The use cases, over collaborators that they are given."""
