"""The edge of `taximeter import`: export files in, document files out, what to say about both."""
