"""Who is calling: credentials in, a principal out. OpenID log-in, tokens, cookies, services and operators.

Nothing here knows HTTP frameworks, the store or the configuration: each part is given what it needs.
"""
