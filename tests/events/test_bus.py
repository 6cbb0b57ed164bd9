"""The bus delivers every event once, in one order, whatever listeners do."""

import threading

from batchmill.events import Bus, Noticed


def test_listeners_are_called_in_order_and_can_be_removed():
    heard = []
    bus = Bus([lambda event: heard.append(("a", event.message))])
    remove = bus.add(lambda event: heard.append(("b", event.message)))
    bus.emit(Noticed("one"))
    remove()
    remove()  # twice is harmless
    bus.emit(Noticed("two"))
    assert heard == [("a", "one"), ("b", "one"), ("a", "two")]


def test_a_bus_without_listeners_is_not_heard():
    bus = Bus()
    assert not bus.heard
    bus.emit(Noticed("nobody"))
    bus.add(lambda event: None)
    assert bus.heard


def test_a_failing_listener_is_reported_once_and_the_others_hear_all(caplog):
    heard = []

    def broken(event):
        raise RuntimeError("listener fault")

    bus = Bus([broken, heard.append])
    for number in range(3):
        bus.emit(Noticed(str(number)))
    assert [event.message for event in heard] == ["0", "1", "2"]
    assert len(caplog.records) == 1
    assert "listener fault" in caplog.text
    assert "Noticed" in caplog.records[0].getMessage()


def test_a_listener_may_emit():
    heard = []

    def echo(event):
        heard.append(event.message)
        if event.message == "first":
            bus.emit(Noticed("second"))

    bus = Bus([echo])
    bus.emit(Noticed("first"))
    assert heard == ["first", "second"]


def test_listeners_never_run_side_by_side():
    inside, most, total = 0, 0, 0

    def listener(event):
        nonlocal inside, most, total
        inside += 1
        most = max(most, inside)
        total += 1
        inside -= 1

    bus = Bus([listener])
    threads = [
        threading.Thread(target=lambda: [bus.emit(Noticed("x")) for _ in range(200)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, total) == (1, 800)
