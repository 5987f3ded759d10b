"""What runs, seen from outside: metrics, health over HTTP, logs as JSON."""
