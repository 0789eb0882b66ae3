"""Measured claims, one script each, run by hand."""
