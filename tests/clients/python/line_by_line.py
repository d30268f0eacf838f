"""Sends a message for each line of the standard input, and says when it is delivered."""

import sys

from confluent_kafka import Producer

from common import TOPIC, event, expect, librdkafka, ok

failed = []
producer = Producer(librdkafka())
for line in sys.stdin:
    producer.produce(TOPIC, line.strip(), on_delivery=lambda e, _: e and failed.append(e))
    expect(producer.flush(30) == 0 and not failed, f"not sent: {failed}")
    event("sent")
ok()
