"""Signing: what we say of mail when we send it, and believe when it comes back: return paths and tokens."""
