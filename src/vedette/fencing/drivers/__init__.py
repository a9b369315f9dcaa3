"""The devices that Vedette can speak to, one module each.

A driver is imported when a document has such a device, because its library costs a third of a second to load.
"""
