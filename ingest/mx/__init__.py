"""The inbound MX: an SMTP server that says 250 when what it was told is durable, and survives whoever connects."""
