"""Metronome's public API: its shapes to our documents and back. The console serves them, the migration kit reads them."""
