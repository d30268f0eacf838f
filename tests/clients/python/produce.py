"""Sends `count` numbered messages to every partition, starting at `first`; the offsets must follow the numbers."""

import sys

from confluent_kafka import Producer

from common import TOPIC, event, expect, librdkafka, ok

partitions, first, count = (int(argument) for argument in sys.argv[1:4])
failed = []
offsets = {}


def on_delivery(error, message):
    if error:
        failed.append(str(error))
    else:
        offsets.setdefault(message.partition(), []).append(message.offset())


producer = Producer(librdkafka(acks="all", linger_ms=5))
for number in range(first, first + count):
    for partition in range(partitions):
        producer.produce(TOPIC, f"{partition}-{number}", partition=partition, on_delivery=on_delivery)
    producer.poll(0)
expect(producer.flush(60) == 0, "messages still queued")
expect(not failed, f"{failed[:3]}")
for partition in range(partitions):
    expect(sorted(offsets[partition]) == list(range(first, first + count)), f"offsets {offsets[partition]}")
event("produced", count=partitions * count)
ok()
