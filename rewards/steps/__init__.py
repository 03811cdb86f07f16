"""Steps of a solution and the rules that reward them."""
