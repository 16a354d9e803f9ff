"""Turn cells into a plan: steps, estimates, preflight checks, pilots and the record of a run."""
