"""The lines that are shown, worked out again from the raw events in two ways that share nothing with the stream but the pricing core."""
