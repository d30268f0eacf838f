"""Tells what a client can see: the cluster's id, its topics and its groups."""

from confluent_kafka.admin import AdminClient

from common import event, librdkafka, ok

admin = AdminClient(librdkafka())
seen = admin.list_topics(timeout=30)
groups = admin.list_consumer_groups().result(30)
event(
    "listed",
    cluster=seen.cluster_id,
    topics={name: len(topic.partitions) for name, topic in seen.topics.items()},
    groups=sorted(group.group_id for group in groups.valid),
)
ok()
