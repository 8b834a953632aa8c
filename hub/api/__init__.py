"""HTTP for services, browsers and operators: one table of routes that makes both the routes and their description."""
