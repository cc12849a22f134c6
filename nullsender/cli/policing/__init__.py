"""What `nullsender policy` reads and shows."""
