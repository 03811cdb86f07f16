"""Mathematical expressions: parsing, canonical forms and proofs of equality."""
