"""Live sessions: one authoritative JSON document per user session."""
