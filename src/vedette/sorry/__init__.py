"""The page that clients see when no real server is up."""
