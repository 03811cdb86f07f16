"""Intervals of means, contrasts, shares and whole curves over problems and seeds; power. Arrays in, no records."""
