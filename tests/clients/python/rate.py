"""Counts, by the broker's own clock, the messages appended between two moments after the first one.
The topic's timestamps are append times. Arguments: both moments in milliseconds."""

import sys

from confluent_kafka import Consumer, TopicPartition

from common import TOPIC, event, expect, librdkafka, ok

moments = [int(argument) for argument in sys.argv[1:3]]
consumer = Consumer(librdkafka(group_id="rate", enable_auto_commit=False))
partitions = sorted(consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions)
total = sum(consumer.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=30)[1] for p in partitions)

first_ms = None
for partition in partitions:
    consumer.assign([TopicPartition(TOPIC, partition, 0)])
    message = consumer.poll(30)
    expect(message is not None and message.error() is None, "no first message")
    timestamp = message.timestamp()[1]
    first_ms = timestamp if first_ms is None else min(first_ms, timestamp)
consumer.unassign()


def appended_before(moment):
    """How many messages had been appended then."""
    asked = [TopicPartition(TOPIC, p, first_ms + moment) for p in partitions]
    count = 0
    for place in consumer.offsets_for_times(asked, timeout=30):
        end = consumer.get_watermark_offsets(TopicPartition(TOPIC, place.partition), timeout=30)[1]
        count += place.offset if place.offset >= 0 else end
    return count


# For whoever reads the log of a failure: how many had come by each second.
event("profile", appended=[appended_before(second * 1000) for second in range(moments[1] // 1000 + 2)])
before, after = (appended_before(moment) for moment in moments)
event("rate", between=after - before, total=total)
consumer.close()
ok()
