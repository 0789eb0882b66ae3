"""What `make check` looks at that no general linter knows. Each module runs alone: `python -m checks.asl`."""
