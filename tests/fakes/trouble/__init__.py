"""A stack in trouble for a finite time, on a virtual clock, and what it promises once there is peace."""
