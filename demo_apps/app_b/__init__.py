"""Shop: the app where a person fills a cart."""
