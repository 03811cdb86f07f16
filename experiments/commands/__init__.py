"""The commands of `coeflab`, a file for each or for a family of them."""
