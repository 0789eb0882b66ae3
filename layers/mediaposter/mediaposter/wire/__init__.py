"""The wire: what callers send and what they are answered."""
