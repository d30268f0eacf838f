"""Creates the topic of the environment with the given number of partitions, then settings as
`key=value`, and sees that it has leaders."""

import sys

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from common import TOPIC, expect, librdkafka, ok

admin = AdminClient(librdkafka())
partitions = int(sys.argv[1])
settings = dict(argument.split("=", 1) for argument in sys.argv[2:])
for future in admin.create_topics([NewTopic(TOPIC, partitions, 1, config=settings)]).values():
    try:
        future.result(30)
    except KafkaException as error:
        expect(error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, str(error))
for _ in range(100):
    topic = admin.list_topics(TOPIC, timeout=30).topics[TOPIC]
    if len(topic.partitions) == partitions and all(p.leader >= 0 for p in topic.partitions.values()):
        ok()
        sys.exit(0)
expect(False, f"{topic.partitions}")
