"""kafka-python: admin, a producer with each codec and a group consumer; seeks by time; commits."""

import ssl

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from common import BOOTSTRAP, CA_FILE, CONNECTION_STRING, GROUP, TOPIC, expect, ok

PARTITIONS = 3
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
PER_CODEC = 20
COUNT = len(CODECS) * PER_CODEC
FIRST_TIMESTAMP = 1_700_000_000_000

base = {"bootstrap_servers": BOOTSTRAP, "client_id": "kafka-python-tests"}
if CONNECTION_STRING:
    base |= {
        "security_protocol": "SASL_SSL",
        "ssl_context": ssl.create_default_context(cafile=CA_FILE),
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "$ConnectionString",
        "sasl_plain_password": CONNECTION_STRING,
    }


def installed(codec):
    """The codecs beyond gzip are optional packages of this client."""
    from kafka import codec as codecs

    return codec is None or getattr(codecs, f"has_{codec}")()


admin = KafkaAdminClient(**base)
admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
expect(TOPIC in [t["name"] if isinstance(t, dict) else t for t in admin.list_topics()], "the topic is not listed")

sent = 0
for codec in filter(installed, CODECS):
    producer = KafkaProducer(**base, acks="all", compression_type=codec)
    futures = [
        producer.send(
            TOPIC,
            key=str(number).encode(),
            value=f"{codec}-{number}".encode(),
            headers=[("codec", str(codec).encode())],
            timestamp_ms=FIRST_TIMESTAMP + sent + number,
            partition=number % PARTITIONS,
        )
        for number in range(PER_CODEC)
    ]
    producer.flush(30)
    for future in futures:
        expect(future.get(30).offset >= 0, "no offset")
    sent += PER_CODEC
    producer.close()
print(f"sent {sent} messages")
expect(sent == COUNT, f"only {sent} sent: a codec's package is missing")

consumer = KafkaConsumer(
    TOPIC,
    **base,
    group_id=GROUP,
    auto_offset_reset="earliest",
    enable_auto_commit=False,
    session_timeout_ms=6000,
    heartbeat_interval_ms=500,
    consumer_timeout_ms=30000,
)
seen = set()
for message in consumer:
    expect(message.headers[0][0] == "codec", f"headers {message.headers}")
    seen.add(message.value)
    if len(seen) == COUNT:
        break
expect(len(seen) == COUNT, f"{len(seen)} messages came back")
consumer.commit()
partitions = [TopicPartition(TOPIC, number) for number in range(PARTITIONS)]
committed = sum(consumer.committed(p) for p in partitions)
expect(committed == COUNT, f"{committed} committed")
by_time = consumer.offsets_for_times({partitions[0]: FIRST_TIMESTAMP + PER_CODEC})
place = by_time[partitions[0]]
expect(place.timestamp >= FIRST_TIMESTAMP + PER_CODEC, f"{place} is too early")
expect(place.offset == 7, f"{place}: not the first message of the second round")
consumer.close()
admin.delete_topics([TOPIC])
admin.close()
ok()
