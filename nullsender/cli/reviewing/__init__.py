"""What `incidents` and `review` have in common: marks as flags, sums in words, a job done here."""
