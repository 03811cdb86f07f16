"""Constants without variables: proofs that two of them are the same number."""
