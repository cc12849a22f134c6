"""Incidents: a span of reports that do not count, and the breaker that stops a flood of new entries before it is one. Pure."""
