"""What is on the wire and at rest. Imports nothing else of ours."""
