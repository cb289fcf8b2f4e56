from tests.policies.conftest import images

__all__ = ["images"]
