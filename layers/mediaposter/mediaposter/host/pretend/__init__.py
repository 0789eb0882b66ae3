"""Providers that this host plays itself when it has no key for a real one: what comes of them says so."""
