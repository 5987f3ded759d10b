"""What a unit costs: the pricing language and the fold. Pure: no I/O, no wall clock, no floats."""
