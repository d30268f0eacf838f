"""Commits offsets with metadata for every partition (`write`), or sees that they are there (`read`)."""

import sys

from confluent_kafka import Consumer, TopicPartition

from common import GROUP, TOPIC, expect, librdkafka, ok

consumer = Consumer(librdkafka(group_id=GROUP, enable_auto_commit=False))
partitions = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
wanted = [TopicPartition(TOPIC, p, p * 10 + 1, f"note {p}") for p in partitions]
if sys.argv[1] == "write":
    consumer.commit(offsets=wanted, asynchronous=False)
found = consumer.committed([TopicPartition(TOPIC, p) for p in partitions], timeout=30)
for place, other in zip(wanted, found, strict=True):
    expect(place.offset == other.offset, f"{other} committed, not {place}")
    expect(place.metadata == other.metadata, f"metadata {other.metadata!r}, not {place.metadata!r}")
consumer.close()
ok()
