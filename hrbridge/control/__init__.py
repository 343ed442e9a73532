"""Policies without input or output: events in, steps out."""
