"""What the page says of reward models: are they to be believed, where did they mislead, what else are they good for?"""
