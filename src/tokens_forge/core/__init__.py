"""Decisions: values in, values out. No I/O, clock, randomness or async."""
