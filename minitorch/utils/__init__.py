"""What surrounds training: `data` feeds it."""
