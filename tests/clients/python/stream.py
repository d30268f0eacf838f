"""Sends numbered messages one after another, whatever happens to the broker, and tells of each that
was acknowledged; a line on its standard input ends it."""

import itertools
import select
import sys
import time

from confluent_kafka import Producer

from common import TOPIC, event, expect, librdkafka

acks, idempotent = sys.argv[1], sys.argv[1] == "all"
failed = []


def on_delivery(error, message):
    if error:
        failed.append(str(error))
    else:
        event(
            "acknowledged",
            partition=message.partition(),
            offset=message.offset(),
            value=message.value().decode(),
        )


producer = Producer(
    librdkafka(acks=acks, enable_idempotence=idempotent, linger_ms=1)
    | {"retries": 1000, "retry.backoff.ms": 50, "reconnect.backoff.max.ms": 200, "socket.timeout.ms": 10000}
)
start = time.monotonic()
for number in itertools.count():
    producer.produce(TOPIC, str(number), on_delivery=on_delivery)
    # 2,000 a second, and never more than 200 under way.
    while time.monotonic() - start < number / 2000 or len(producer) > 200:
        producer.poll(0.001)
    if select.select([sys.stdin], [], [], 0)[0]:
        break
expect(producer.flush(60) == 0, "messages still queued")
# Without idempotence a connection that breaks may cost a message its acknowledgement, not its place.
expect(not failed or not idempotent, f"{failed[:3]}")
event("stopped")
