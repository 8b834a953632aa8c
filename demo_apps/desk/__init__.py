"""Desk: both apps side by side, and the session they share."""
