"""Live sessions: one authoritative JSON document per user session."""

__version__ = "0.1.0"
