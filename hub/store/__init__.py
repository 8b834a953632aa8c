"""The only folder that knows Redis: what is true, and how it becomes true.

Scripts in ``scripts/`` compare and swap opaque strings; JSON is edited in Python. Everything a session
holds is sealed before it leaves this process.
"""
