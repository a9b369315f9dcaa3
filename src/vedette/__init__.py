"""Vedette keeps the service addresses of Linux routers and load balancers up."""

__version__ = "0.1.0"
