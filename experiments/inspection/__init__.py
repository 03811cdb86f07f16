"""Coefficients of frozen batches, and methods as people look them up."""
