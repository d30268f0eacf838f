// Sarama: an admin, a synchronous producer with a random partitioner and WaitForAll, partition
// consumers from oldest and newest, and a consumer group.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"tidegate/tests/settings"
)

const (
	partitions = 3
	count      = 60
)

func config() *sarama.Config {
	config := sarama.NewConfig()
	config.ClientID = "sarama-tests"
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Partitioner = sarama.NewRandomPartitioner
	config.Producer.Return.Successes = true
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	if tls := settings.TLS(); tls != nil {
		config.Net.TLS.Enable = true
		config.Net.TLS.Config = tls
		config.Net.SASL.Enable = true
		config.Net.SASL.Mechanism = sarama.SASLTypePlaintext
		config.Net.SASL.User = settings.User
		config.Net.SASL.Password = settings.Password
	}
	return config
}

func main() {
	addresses := []string{settings.Bootstrap}
	client, err := sarama.NewClient(addresses, config())
	settings.Must(err, "connect")
	defer client.Close()
	admin, err := sarama.NewClusterAdminFromClient(client)
	settings.Must(err, "admin")
	err = admin.CreateTopic(settings.Topic, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
	settings.Must(err, "create the topic")
	settings.Must(client.RefreshMetadata(settings.Topic), "refresh metadata")

	produced := produce(client, "first", count)
	consumePartitions(client, produced)
	consumeNewest(client)
	consumeGroup(client)
	settings.OK()
}

// produce sends and returns how many messages each partition got.
func produce(client sarama.Client, label string, count int) map[int32]int64 {
	producer, err := sarama.NewSyncProducerFromClient(client)
	settings.Must(err, "producer")
	produced := map[int32]int64{}
	for number := range count {
		partition, offset, err := producer.SendMessage(&sarama.ProducerMessage{
			Topic:   settings.Topic,
			Key:     sarama.StringEncoder(fmt.Sprint(number)),
			Value:   sarama.StringEncoder(fmt.Sprintf("%s-%d", label, number)),
			Headers: []sarama.RecordHeader{{Key: []byte("label"), Value: []byte(label)}},
		})
		settings.Must(err, "send")
		if label == "first" {
			settings.Expect(offset == produced[partition], "offset %d of partition %d, not %d", offset, partition, produced[partition])
		}
		produced[partition]++
	}
	return produced
}

// consumePartitions reads every partition from its oldest offset to its end.
func consumePartitions(client sarama.Client, produced map[int32]int64) {
	consumer, err := sarama.NewConsumerFromClient(client)
	settings.Must(err, "consumer")
	seen := map[string]bool{}
	for partition, messages := range produced {
		reader, err := consumer.ConsumePartition(settings.Topic, partition, sarama.OffsetOldest)
		settings.Must(err, "consume from oldest")
		for offset := range messages {
			message := next(reader)
			settings.Expect(message.Offset == offset, "offset %d, not %d", message.Offset, offset)
			settings.Expect(string(message.Headers[0].Value) == "first", "header %q", message.Headers[0].Value)
			seen[string(message.Value)] = true
		}
		settings.Must(reader.Close(), "close")
	}
	settings.Expect(len(seen) == count, "%d messages read", len(seen))
}

// consumeNewest sees only what is sent after it was there.
func consumeNewest(client sarama.Client) {
	consumer, err := sarama.NewConsumerFromClient(client)
	settings.Must(err, "consumer")
	var readers []sarama.PartitionConsumer
	for partition := range int32(partitions) {
		reader, err := consumer.ConsumePartition(settings.Topic, partition, sarama.OffsetNewest)
		settings.Must(err, "consume from newest")
		readers = append(readers, reader)
	}
	produced := produce(client, "second", 20)
	for partition, reader := range readers {
		for range produced[int32(partition)] {
			message := next(reader)
			settings.Expect(string(message.Headers[0].Value) == "second", "an old message: %q", message.Value)
		}
		settings.Must(reader.Close(), "close")
	}
}

func next(reader sarama.PartitionConsumer) *sarama.ConsumerMessage {
	select {
	case message := <-reader.Messages():
		return message
	case err := <-reader.Errors():
		settings.Must(err, "consume")
	case <-time.After(30 * time.Second):
		settings.Expect(false, "no message for 30 s")
	}
	return nil
}

// handler counts the messages of a group and stops it when all have come.
type handler struct {
	mutex sync.Mutex
	seen  map[string]bool
	all   func()
}

func (*handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (*handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		h.mutex.Lock()
		h.seen[string(message.Value)] = true
		complete := len(h.seen) == count+20
		h.mutex.Unlock()
		session.MarkMessage(message, "")
		if complete {
			session.Commit()
			h.all()
		}
	}
	return nil
}

func consumeGroup(client sarama.Client) {
	group, err := sarama.NewConsumerGroupFromClient(settings.Group, client)
	settings.Must(err, "group")
	context, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	handler := &handler{seen: map[string]bool{}, all: cancel}
	for context.Err() == nil {
		err := group.Consume(context, []string{settings.Topic}, handler)
		if !errors.Is(err, sarama.ErrClosedConsumerGroup) {
			settings.Must(err, "consume as a group")
		}
	}
	settings.Must(group.Close(), "close the group")
	settings.Expect(len(handler.seen) == count+20, "the group read %d messages", len(handler.seen))

	admin, err := sarama.NewClusterAdminFromClient(client)
	settings.Must(err, "admin")
	offsets, err := admin.ListConsumerGroupOffsets(settings.Group, map[string][]int32{settings.Topic: {0, 1, 2}})
	settings.Must(err, "list offsets")
	var committed int64
	for _, block := range offsets.Blocks[settings.Topic] {
		committed += block.Offset
	}
	settings.Expect(committed == count+20, "%d committed", committed)
}
