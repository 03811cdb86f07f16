"""How far a reward can be trusted: calibration, first wrong steps, and what noise in it costs."""
