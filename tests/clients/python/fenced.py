"""Two members of one group with the same group.instance.id: the second takes the place of the first,
which is told FENCED_INSTANCE_ID, an end for good."""

from confluent_kafka import Consumer, KafkaError, Producer

from common import GROUP, TOPIC, expect, librdkafka, ok

errors = []
TURNS = 300


def member():
    settings = {
        "group.id": GROUP,
        "group.instance.id": "the one",
        "auto.offset.reset": "earliest",
        "heartbeat.interval.ms": 500,
        "enable.auto.commit": False,
    }
    consumer = Consumer(librdkafka() | settings)
    consumer.subscribe([TOPIC])
    return consumer


def poll(consumer, wait):
    """The next message; errors are kept apart."""
    message = consumer.poll(wait)
    if message is not None and message.error() is not None:
        errors.append(message.error())
        return None
    return message


def read(consumer, other=None):
    """The value of the consumer's next message, while the other one is kept alive too."""
    for _ in range(TURNS):
        message = poll(consumer, 0.1)
        if message is not None:
            return message.value()
        if other is not None:
            poll(other, 0)
    expect(False, f"no message; errors are {errors}")


def is_fenced():
    return any(error.code() == KafkaError._FATAL and "same group.instance.id" in error.str() for error in errors)


producer = Producer(librdkafka())
producer.produce(TOPIC, b"first")
expect(producer.flush(30) == 0, "not sent")
first = member()
expect(read(first) == b"first", "another message")
expect(not errors, f"too early: {errors}")
second = member()
expect(read(second, first) == b"first", "another message")
for _ in range(TURNS):
    if is_fenced():
        break
    poll(first, 0.1)
expect(is_fenced(), f"not fenced: {errors}")
# The second goes on undisturbed.
producer.produce(TOPIC, b"second")
expect(producer.flush(30) == 0, "not sent")
expect(read(second) == b"second", "another message")
second.commit(asynchronous=False)
second.close()
first.close()
ok()
