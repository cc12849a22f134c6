"""What `nullsender scrub` is made of."""
