import pytest

from weir import Broker


@pytest.fixture(scope="session")
def broker():
    """One broker for all tests that do not stop it. It must still be alive at the end."""
    with Broker() as running:
        yield running
        assert running.alive(), "the shared broker died:\n" + "\n".join(running.lines[-30:])
        assert running.stop() == 0


@pytest.fixture
def own_broker():
    """A broker that the test may stop, kill and restart."""
    with Broker() as running:
        yield running


@pytest.fixture(autouse=True)
def broker_survives(request):
    yield
    if "broker" in request.fixturenames:
        running = request.getfixturevalue("broker")
        assert running.alive(), "the broker died during this test:\n" + "\n".join(running.lines[-30:])
