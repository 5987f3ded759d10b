"""Holds: amounts reserved from a rated balance before the work is done, so that concurrent work cannot overrun it."""
