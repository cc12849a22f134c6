"""The lookup table: what may be on the list, in memory, shared by every process of a machine."""
