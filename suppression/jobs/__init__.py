"""Long work that outlives the process that does it: what a job is, and how jobs are worked off."""
