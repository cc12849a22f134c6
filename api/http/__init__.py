"""The API over HTTP: pre-send lookups, the list, health."""
