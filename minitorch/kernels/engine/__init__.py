"""Compile, run, remember: what every kernel shares, and has nothing to do with what it computes."""
