"""Pure nouns and rules: what a session, a position, a change is, and what may become of a document.

Nothing here does I/O, reads a clock or draws a random number; time and randomness are arguments.
"""
