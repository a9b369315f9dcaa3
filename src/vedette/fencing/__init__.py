"""Switching a silent node off, and seeing that it is off."""
