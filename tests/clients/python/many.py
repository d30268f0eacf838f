"""Many partitions: so many topics of so many partitions each, made in one request; a message in each
partition, and a group that has committed its start, so that it is one message behind everywhere."""

import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from common import GROUP, TOPIC, expect, librdkafka, ok

count, partitions = int(sys.argv[1]), int(sys.argv[2])
admin = AdminClient(librdkafka())
names = [f"{TOPIC}-{number}" for number in range(count)]
for future in admin.create_topics([NewTopic(name, partitions, 1) for name in names]).values():
    future.result(30)
topics = admin.list_topics(timeout=30).topics
found = {name: len(topics[name].partitions) for name in names if name in topics}
expect(found == dict.fromkeys(names, partitions), f"created {found}")

failed = []
producer = Producer(librdkafka())
for name in names:
    for partition in range(partitions):
        producer.produce(name, b"value", partition=partition, on_delivery=lambda e, _: e and failed.append(e))
    producer.poll(0)
expect(producer.flush(60) == 0 and not failed, f"not sent: {failed[:3]}")

consumer = Consumer(librdkafka(group_id=GROUP, enable_auto_commit=False))
for name in names:
    consumer.commit(offsets=[TopicPartition(name, p, 0) for p in range(partitions)], asynchronous=False)
consumer.close()
ok()
