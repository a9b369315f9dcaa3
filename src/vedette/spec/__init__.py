"""The one document: its shape, how it is read, and what it means."""
