"""The document as people write it: frozen pydantic models, one module an idea."""

from vedette.spec.model.document import API_VERSION, KIND, HACluster

__all__ = ["API_VERSION", "KIND", "HACluster"]
