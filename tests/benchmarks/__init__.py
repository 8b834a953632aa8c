"""What the hub costs, measured on a running node: ``make bench``."""
