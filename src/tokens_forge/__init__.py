"""Tokens Forge (`tf`): which balance should a call burn, and why."""
