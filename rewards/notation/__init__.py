"""The text of an answer in one spelling: characters, repeating decimals, environments, brackets."""
