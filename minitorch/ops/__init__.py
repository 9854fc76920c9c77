"""Primitives and their derivative rules, one family a file."""
