"""Vector code as formulas: registers, functions of registers, loops that run them, moves between arrays."""
