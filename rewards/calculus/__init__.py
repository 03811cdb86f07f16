"""Derivatives, integrals and sums with a closed form, carried out on expression trees."""
