"""What `replay` does: choose, read again, decide again, compare, say what came of it."""
