"""Logging in and out in a browser: the routes under ``/auth/`` and their pages."""
