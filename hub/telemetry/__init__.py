"""Logs (and, where configured, metrics and traces): names in one place. Nothing here knows what is observed."""
