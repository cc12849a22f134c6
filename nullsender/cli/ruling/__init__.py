"""What `rules` does with rules that are not in force: try them, and find what they could be for."""
