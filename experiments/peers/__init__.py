"""Runs that somebody else's trainer trains, between our start and our evaluations."""
