"""Record files as checked frames: columns, one run, a comparison, and how the two checkers agree."""
