"""Simulated people: how well the coach does on many of them, and a twin of one's own."""
