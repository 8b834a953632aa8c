"""The little that the demo servers have in common. Knows HTTP; knows nothing of the hub's insides."""
