"""The warehouse as the rest sees it: a client, reads that give `contracts.result` objects, and migrations."""
