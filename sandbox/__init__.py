"""The local cloud for the demo and the tests: MiniStack, and stand-ins of the vendors."""
