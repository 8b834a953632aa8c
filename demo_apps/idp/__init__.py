"""A small OpenID provider with three people to be."""
