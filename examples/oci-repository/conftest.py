"""Fixtures of oci-repository's tests."""
import pytest
from docker_registry import Registry, Repository


@pytest.fixture
def registry(folder):
    with Registry(folder) as running:
        yield running


@pytest.fixture
def repository(manager, registry):
    return Repository(manager, registry.spec())
