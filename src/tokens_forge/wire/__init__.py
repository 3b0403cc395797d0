"""Bytes to values and back, for each dialect, without I/O."""
