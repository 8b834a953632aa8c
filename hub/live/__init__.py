"""Live connections: who is connected to this node, and what reaches them.

The feed is the only road to a connection: a change or an end made on this very node is heard back from
the store like everybody else's. Fan-out never waits; a slow connection costs itself a reload.
"""
