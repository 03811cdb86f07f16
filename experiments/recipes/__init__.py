"""Named comparisons and what varies in them."""
