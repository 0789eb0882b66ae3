"""One process on one machine: what stands in for the services of AWS."""
