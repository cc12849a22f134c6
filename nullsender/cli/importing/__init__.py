"""What `nullsender import` shows."""
