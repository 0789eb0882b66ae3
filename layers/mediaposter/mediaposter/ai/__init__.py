"""Video models: the interface, the catalog, the factory, and one adapter per provider."""
