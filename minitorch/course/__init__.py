"""A course cut from this package's own source: blanks, handouts, tests, hints and a grader; see docs/course.md.

Blocks of the source stand between marks, `# BEGIN SOLUTION 3.2` and `# END SOLUTION`. `python -m minitorch.course new
FOLDER` makes a copy of the package in which they are blank; a student writes them, unit by unit, and ends with all of
minitorch.
"""
