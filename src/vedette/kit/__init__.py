"""Domain-free helpers: they know nothing of clusters, addresses or virtual services."""
