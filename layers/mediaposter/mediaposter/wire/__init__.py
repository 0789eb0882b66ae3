"""The wire format: requests and responses."""
