"""The run-time words that the domains share; two domains meet nowhere else."""
