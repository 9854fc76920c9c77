"""The units of the course, a file each; see ../outline.py."""
