"""Estimators: Pass@K, Maj@K, differences, contrasts, curves, budgets, and comparisons simulated to calibrate them."""
