"""Events come in: the producer that services use, and the files that `taximeter send` reads."""
