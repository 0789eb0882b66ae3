"""Posting: the interface, the networks, and the client of Blotato."""
