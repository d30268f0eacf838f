"""Offers `count` messages of `size` bytes at `rate` a second; the broker may hold it back, but every
message must arrive and no error may show."""

import sys
import time

from confluent_kafka import Producer

from common import TOPIC, event, expect, event_hubs, ok

count, size, rate = (int(argument) for argument in sys.argv[1:4])
errors = []
delivered = [0]


def on_delivery(error, _):
    if error:
        errors.append(str(error))
    else:
        delivered[0] += 1


producer = Producer(
    event_hubs(acks="all", request_timeout_ms=60000, linger_ms=20, batch_size=262144)
    | {"error_cb": lambda error: errors.append(str(error))}
)
start = time.monotonic()
for number in range(count):
    while time.monotonic() - start < number / rate:
        producer.poll(0.005)
    producer.produce(TOPIC, bytes(size), partition=number % 4, on_delivery=on_delivery)
    producer.poll(0)
expect(producer.flush(200) == 0, "messages still queued")
expect(not errors, f"{len(errors)} errors, first {errors[:3]}")
expect(delivered[0] == count, f"{delivered[0]} delivered")
event("loaded", count=count, seconds=time.monotonic() - start)
ok()
