"""The classic sample: a producer with delivery callbacks sends 100 messages to an event hub that
does not exist yet, then a group consumer reads them."""

from confluent_kafka import Consumer, KafkaException, Producer

from common import GROUP, TOPIC, expect, librdkafka, ok

COUNT = 100


def produce():
    delivered = []
    failed = []

    def on_delivery(error, message):
        if error is not None:
            failed.append(str(error))
        else:
            delivered.append((message.partition(), message.offset()))

    producer = Producer(librdkafka(client_id="python-example-producer"))
    for number in range(COUNT):
        try:
            producer.produce(TOPIC, f"{number}-hello", callback=on_delivery)
        except BufferError:
            producer.poll(1)
            producer.produce(TOPIC, f"{number}-hello", callback=on_delivery)
        producer.poll(0)
    left = producer.flush(60)
    expect(left == 0, f"{left} messages still queued")
    expect(not failed, f"deliveries failed: {failed[:3]}")
    expect(len(set(delivered)) == COUNT, f"{len(set(delivered))} places for {COUNT} messages")


def consume():
    seen = []
    consumer = Consumer(
        librdkafka(group_id=GROUP, client_id="python-example-consumer", session_timeout_ms=6000)
        | {"auto.offset.reset": "earliest"}
    )
    consumer.subscribe([TOPIC])
    while len(seen) < COUNT:
        message = consumer.poll(60)
        expect(message is not None, f"nothing more after {len(seen)} messages")
        if message.error():
            raise KafkaException(message.error())
        seen.append(message.value().decode())
    consumer.close()
    expect(sorted(seen) == sorted(f"{n}-hello" for n in range(COUNT)), "other messages came back")


produce()
consume()
ok()
