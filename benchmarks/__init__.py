"""What Vedette costs, beside its peers in the same run. ``python -m benchmarks`` runs everything."""
