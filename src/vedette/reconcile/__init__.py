"""Observe, plan, perform: what every domain's loop has in common."""
