"""The embedded host: MediaPoster in one process on one machine. No Lambda imports it, and it imports nothing of AWS."""
