"""The October story: its documents, its events, its scenes."""
