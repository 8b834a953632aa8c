"""Use cases over sessions: open, read, commit, touch, end, list. No HTTP, no sockets, no Redis.

Every refusal given here rests on a record read from the store after the request came; only a write may
rest on a guess, because the script that makes it checks the guess.
"""
