"""Final answers: extraction, normalisation and equivalence with the gold answer."""
