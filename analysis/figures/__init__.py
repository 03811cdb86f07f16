"""Figures: what an arm looks like, every panel, the figures of the paper; they draw what they are given."""
