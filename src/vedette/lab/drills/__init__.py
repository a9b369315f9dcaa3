"""The drills of ``vedette rehearse``: faults, what the document promises about each, and how to cause and undo them."""
