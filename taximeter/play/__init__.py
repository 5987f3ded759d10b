"""A case through the running pipeline: under fresh names, in recorded order, and back."""
