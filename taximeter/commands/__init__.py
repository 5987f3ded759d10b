"""Subcommands of `taximeter`, one a file: each has `command`, imported only when it runs."""
