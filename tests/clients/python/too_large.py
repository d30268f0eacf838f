"""Messages beyond the broker's limit of a request: each is refused as too large, what comes after them is taken."""

import sys

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from common import TOPIC, expect, librdkafka, ok

LIMIT = int(sys.argv[1])

admin = AdminClient(librdkafka())
refused = NewTopic(f"{TOPIC}-refused", 1, 1, config={"max.message.bytes": "3000000"})
error = admin.create_topics([refused])[refused.topic].exception()
expect(error and "max.message.bytes=3000000" in str(error) and str(LIMIT) in str(error), f"created: {error}")
admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result()

outcomes = []
errors = []
producer = Producer(
    librdkafka(message_max_bytes=8_000_000, message_timeout_ms=30000) | {"error_cb": errors.append}
)


def delivered(error, message):
    outcomes.append((len(message), error.name() if error else None))


for partition in [0, 1]:
    for size in [100, LIMIT + 1, 3 * LIMIT, 200]:
        producer.produce(TOPIC, b"x" * size, partition=partition, on_delivery=delivered)
        producer.flush(30)
too_large = "MSG_SIZE_TOO_LARGE"
expected = [(100, None), (LIMIT + 1, too_large), (3 * LIMIT, too_large), (200, None)] * 2
expect(outcomes == expected, f"delivered {outcomes}")
expect(not errors, f"the connection did not stay: {errors}")
ok()
