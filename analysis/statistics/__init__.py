"""Estimators and their uncertainty: metrics, intervals, differences, curves and budgets."""
