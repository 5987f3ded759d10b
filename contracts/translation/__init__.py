"""Documents from the shapes of other billing systems, and back. Pure: plain data in, documents out; what cannot be said here is refused by name."""
