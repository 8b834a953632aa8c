"""The entry point of apps: routes a request, cleans it, says who it is for, and streams it to the app's own server.

Nothing here knows the store or the configuration: ``ports`` says what is asked of others.
"""
