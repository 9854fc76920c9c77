"""What tests count and the end of the run prints."""

BENDS: dict[str, bool] = {}  # "rule of an argument" -> whether a check noticed; filled by test_bends
