"""Reward models: the policy's architecture with a scalar head, its labels, its fit by the one loop, and its scores."""
