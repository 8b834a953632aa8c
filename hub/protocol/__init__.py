"""The wire language of a live connection, pure: messages, close codes, and the conversation itself.

Facts go in, actions come out; nothing here waits, writes or reads a clock.
"""
