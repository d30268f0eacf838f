"""Reads every partition of the topic from its start to its end, and tells of each message."""

from confluent_kafka import Consumer, TopicPartition

from common import TOPIC, event, expect, librdkafka

consumer = Consumer(librdkafka(group_id="read-all", enable_auto_commit=False))
partitions = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
ends = {}
for partition in partitions:
    low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=30)
    if high > low:
        ends[partition] = high
    consumer.incremental_assign([TopicPartition(TOPIC, partition, low)])
while ends:
    message = consumer.poll(30)
    expect(message is not None, f"nothing more came, ends {ends}")
    expect(message.error() is None, f"{message.error()}")
    event(
        "message",
        partition=message.partition(),
        offset=message.offset(),
        value=message.value().decode(),
    )
    if message.offset() + 1 == ends.get(message.partition()):
        del ends[message.partition()]
consumer.close()
event("stopped")
