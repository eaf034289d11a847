import signal

import pytest

from advdim.stages import stopping


@pytest.fixture
def stop():
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    yield stopping.Stop()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_request_that_comes_twice_still_leaves_time_to_write_a_state(stop):
    with stop.awaited():
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert stop.requested()
    # Nor is what writes and cleans up afterwards cut short.
    signal.raise_signal(signal.SIGTERM)


def test_a_request_repeated_seconds_later_ends_what_does_not_ask(stop, monkeypatch):
    with stop.awaited():
        signal.raise_signal(signal.SIGINT)
        monkeypatch.setattr(stopping, "SECONDS_OF_ONE_REQUEST", 0)
        with pytest.raises(SystemExit, match=str(128 + signal.SIGINT)):
            signal.raise_signal(signal.SIGTERM)


def test_a_request_ends_at_once_what_has_no_state(stop):
    with pytest.raises(SystemExit, match=str(128 + signal.SIGTERM)):
        signal.raise_signal(signal.SIGTERM)
