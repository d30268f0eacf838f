"""Everything a message can carry goes round unchanged, under the client settings that Event Hubs
recommends, with each codec and each level of acknowledgement."""

import json
import sys

from confluent_kafka import Consumer, Producer, TIMESTAMP_CREATE_TIME

from common import GROUP, TOPIC, event_hubs, expect, ok

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
# What is sent with acks=0 to a topic that is just being made may be lost, so that comes last.
ACKS = ["all", "1", "0"]
COUNT = 24
# Long and repetitive: a codec that was silently switched off shows in the bytes sent.
FILLER = "event hub " * 400
FIRST_TIMESTAMP = 1_700_000_000_000


def messages(label):
    """The messages of one round: null and empty keys and values, odd headers, own timestamps."""
    for number in range(COUNT):
        yield {
            "key": [None, b"", f"{label}-{number}".encode()][number % 3],
            "value": [f"{label} {number} {FILLER}".encode(), b"", None][0 if number % 8 else 1 + (number // 8) % 2],
            "headers": [
                ("label", label.encode()),
                ("number", str(number).encode()),
                ("twice", b"1"),
                ("twice", b"2"),
                ("nothing", None),
                ("empty", b""),
                ("bytes", bytes(range(256))),
            ],
            "timestamp": FIRST_TIMESTAMP + number * 1000,
        }


def produce(codec, acks):
    label = f"{codec}/{acks}"
    failed = []
    sent_bytes = [0]

    def on_stats(text):
        brokers = json.loads(text)["brokers"].values()
        sent_bytes[0] = max(sent_bytes[0], sum(broker["txbytes"] for broker in brokers))

    producer = Producer(
        event_hubs(
            client_id=f"settings-{codec}",
            compression_type=codec,
            acks=acks,
            request_timeout_ms=60000,
            linger_ms=50,
            partitioner="consistent_random",
            enable_idempotence=acks == "all",
        )
        | {"message.max.bytes": 1000000, "statistics.interval.ms": 100, "stats_cb": on_stats}
    )
    for message in messages(label):
        producer.produce(TOPIC, on_delivery=lambda e, _: e and failed.append(str(e)), **message)
    expect(producer.flush(60) == 0, f"{label}: messages still queued")
    producer.poll(0.25)
    expect(not failed, f"{label}: {failed[:3]}")
    plain = sum(len(m["value"] or b"") for m in messages(label))
    expect(sent_bytes[0] > 0, f"{label}: no statistics")
    if codec == "none":
        expect(sent_bytes[0] > plain, f"{label}: {sent_bytes[0]} bytes sent for {plain}")
    else:
        expect(sent_bytes[0] < plain / 2, f"{label}: not compressed, {sent_bytes[0]} bytes for {plain}")


def consume(expected):
    consumer = Consumer(
        event_hubs(
            group_id=GROUP,
            heartbeat_interval_ms=3000,
            session_timeout_ms=30000,
            max_poll_interval_ms=300000,
        )
        | {"auto.offset.reset": "earliest"}
    )
    consumer.subscribe([TOPIC])
    seen = {}
    while len(seen) < len(expected):
        message = consumer.poll(30)
        if message is None:
            missing = sorted(set(expected) - set(seen))
            expect(False, f"{len(missing)} messages never came, first {missing[:3]}")
        expect(message.error() is None, f"{message.error()}")
        headers = message.headers()
        place = (headers[0][1].decode(), int(headers[1][1]))
        expect(place not in seen, f"{place} came twice")
        kind, timestamp = message.timestamp()
        expect(kind == TIMESTAMP_CREATE_TIME, f"{place}: timestamp of type {kind}")
        seen[place] = {
            "key": message.key(),
            "value": message.value(),
            "headers": headers,
            "timestamp": timestamp,
        }
    consumer.close()
    for place, message in expected.items():
        for part, value in message.items():
            expect(seen[place][part] == value, f"{place}: {part} is {seen[place][part]!r:.80}, not {value!r:.80}")


codecs = sys.argv[1:] or CODECS
for codec in codecs:
    for acks in ACKS:
        produce(codec, acks)
consume({(f"{c}/{a}", n): m for c in codecs for a in ACKS for n, m in enumerate(messages(f"{c}/{a}"))})
ok()
