"""Who may do what: API keys and their scopes, sessions of the console, rate limits, protection against other sites."""
