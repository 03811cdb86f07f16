"""Recipes, runs, comparisons and the command line `coeflab`."""
