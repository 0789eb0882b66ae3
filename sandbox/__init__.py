"""The world on one machine, for the demo and the tests: stand-ins of the vendors, and a local cloud."""
