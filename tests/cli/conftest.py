from tests.tracking.conftest import free_port

__all__ = ["free_port"]
