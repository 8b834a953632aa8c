"""Fuzzing: inputs nobody would send by accident, and the rule that no input is anything but answered or refused."""
