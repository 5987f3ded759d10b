"""Pieces that several pages share: the frame with navigation, the invoice table, gauges, the chart, states of waiting and of failing."""
