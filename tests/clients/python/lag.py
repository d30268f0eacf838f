"""A group that is behind: ten messages, of two ages, of which the group commits the first five."""

import sys
import time

from confluent_kafka import Consumer, Producer

from common import GROUP, TOPIC, event, expect, librdkafka, ok

HOUR_MS = 3_600_000
producer = Producer(librdkafka())
consumer = Consumer(librdkafka(group_id=GROUP, enable_auto_commit=False) | {"auto.offset.reset": "earliest"})


def produce(age_ms):
    # A batch each, so that each batch has the age of its message.
    for _ in range(5):
        timestamp = int(time.time() * 1000) - age_ms
        producer.produce(TOPIC, b"value", partition=0, timestamp=timestamp)
        expect(producer.flush(30) == 0, "not sent")


def commit(count):
    """Reads so many messages and commits them."""
    last = None
    for _ in range(count):
        last = consumer.poll(30)
        expect(last is not None and last.error() is None, "no message")
    consumer.commit(last, asynchronous=False)
    event("committed")


produce(2 * HOUR_MS)
produce(HOUR_MS)
consumer.subscribe([TOPIC])
commit(5)
sys.stdin.readline()
commit(5)
sys.stdin.readline()
consumer.close()
ok()
