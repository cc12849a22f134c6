"""How roles run: their loops and hearts, what they say of themselves, and what keeps them running and stops them."""
