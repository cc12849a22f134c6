"""The only SQL: how the list, its history and what belongs to them are read and written."""
