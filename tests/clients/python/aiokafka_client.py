"""aiokafka: admin, an idempotent producer with each codec, and a group consumer."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.helpers import create_ssl_context

from common import BOOTSTRAP, CA_FILE, CONNECTION_STRING, GROUP, TOPIC, expect, ok

PARTITIONS = 3
CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
PER_CODEC = 20
COUNT = len(CODECS) * PER_CODEC

base = {"bootstrap_servers": BOOTSTRAP, "client_id": "aiokafka-tests"}
if CONNECTION_STRING:
    base |= {
        "security_protocol": "SASL_SSL",
        "ssl_context": create_ssl_context(cafile=CA_FILE),
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "$ConnectionString",
        "sasl_plain_password": CONNECTION_STRING,
    }


async def produce():
    for codec in CODECS:
        producer = AIOKafkaProducer(**base, compression_type=codec, enable_idempotence=True)
        await producer.start()
        for number in range(PER_CODEC):
            await producer.send_and_wait(
                TOPIC, f"{codec}-{number}".encode(), key=str(number).encode(), headers=[("codec", b"%d" % number)]
            )
        await producer.stop()


async def consume():
    consumer = AIOKafkaConsumer(
        TOPIC,
        **base,
        group_id=GROUP,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
    )
    await consumer.start()
    seen = set()
    async for message in consumer:
        expect(message.headers[0][0] == "codec", f"headers {message.headers}")
        seen.add(message.value)
        if len(seen) == COUNT:
            break
    await consumer.commit()
    committed = [await consumer.committed(p) or 0 for p in consumer.assignment()]
    expect(sum(committed) == COUNT, f"{committed} committed")
    await consumer.stop()


async def main():
    admin = AIOKafkaAdminClient(**base)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    await asyncio.wait_for(produce(), 60)
    await asyncio.wait_for(consume(), 60)
    expect(TOPIC in await admin.list_topics(), "the topic is not listed")
    await admin.delete_topics([TOPIC])
    await admin.close()


asyncio.run(main())
ok()
