"""The `vedette` command, one module a verb."""
