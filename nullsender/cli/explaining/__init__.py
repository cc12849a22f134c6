"""What `explain` and `reply` show: the page for a person, the object for a program, and why."""
