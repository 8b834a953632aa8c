"""What tests share: real nodes in processes, a real store, a token-issuing provider, live tabs."""
