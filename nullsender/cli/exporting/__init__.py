"""What `nullsender export` keeps in mind while it works."""
