"""Checks of real servers: what to check, when, and what the answers mean."""
