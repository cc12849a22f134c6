"""What `nullsender jobs` works off: who does jobs of which kind, and which duties come round."""
