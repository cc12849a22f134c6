"""A person's data: how long each kind of it is kept, what an erasure removes, and what we say to the person. Pure."""
