"""One member of a consumer group. It tells what it is assigned and reads, and obeys lines on its
standard input: `commit` commits what it has read, `stop` leaves."""

import select
import sys

from confluent_kafka import Consumer

from common import GROUP, TOPIC, event, expect, librdkafka

assignor, session_timeout_ms, instance = sys.argv[1], int(sys.argv[2]), sys.argv[3:4]
settings = librdkafka(
    group_id=GROUP,
    session_timeout_ms=session_timeout_ms,
    heartbeat_interval_ms=500,
    enable_auto_commit=False,
) | {"auto.offset.reset": "earliest", "partition.assignment.strategy": assignor}
if instance:
    settings["group.instance.id"] = instance[0]
position = {}


def numbers(partitions):
    return sorted(p.partition for p in partitions)


def on_assign(_, partitions):
    event("assigned", partitions=numbers(partitions))


def on_revoke(_, partitions):
    for partition in partitions:
        position.pop(partition.partition, None)
    event("revoked", partitions=numbers(partitions))


consumer = Consumer(settings)
consumer.subscribe([TOPIC], on_assign=on_assign, on_revoke=on_revoke, on_lost=on_revoke)
while True:
    message = consumer.poll(0.1)
    if message is not None:
        expect(message.error() is None, f"{message.error()}")
        position[message.partition()] = message
        event("message", partition=message.partition(), offset=message.offset())
        continue
    if not select.select([sys.stdin], [], [], 0)[0]:
        continue
    command = sys.stdin.readline().strip()
    if command == "commit":
        for last in position.values():
            consumer.commit(last, asynchronous=False)
        event("committed", offsets={str(p): m.offset() + 1 for p, m in position.items()})
    elif command in ("stop", ""):
        consumer.close()
        event("stopped")
        break
