// kafka-go: its client creates the topic, its writer sends, its reader reads a partition and as a group.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"

	"tidegate/tests/settings"
)

const (
	partitions = 3
	count      = 90
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()

	var mechanism sasl.Mechanism
	if settings.Password != "" {
		mechanism = plain.Mechanism{Username: settings.User, Password: settings.Password}
	}
	transport := &kafka.Transport{TLS: settings.TLS(), SASL: mechanism, ClientID: "kafka-go-tests"}
	dialer := &kafka.Dialer{Timeout: 10 * time.Second, TLS: settings.TLS(), SASLMechanism: mechanism}

	create(ctx, transport)
	write(ctx, transport)
	fromGroup := readGroup(ctx, dialer)
	fromPartitions := readPartitions(ctx, dialer)
	settings.Expect(fromGroup == count, "the group read %d", fromGroup)
	settings.Expect(fromPartitions == count, "the partitions hold %d", fromPartitions)
	settings.OK()
}

func create(ctx context.Context, transport *kafka.Transport) {
	client := &kafka.Client{Addr: kafka.TCP(settings.Bootstrap), Transport: transport}
	reply, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
		Topics: []kafka.TopicConfig{{Topic: settings.Topic, NumPartitions: partitions, ReplicationFactor: 1}},
	})
	settings.Must(err, "create the topic")
	settings.Must(reply.Errors[settings.Topic], "create the topic")
}

func write(ctx context.Context, transport *kafka.Transport) {
	for round, codec := range []kafka.Compression{0, kafka.Gzip, kafka.Zstd} {
		writer := &kafka.Writer{
			Addr:         kafka.TCP(settings.Bootstrap),
			Topic:        settings.Topic,
			Balancer:     &kafka.RoundRobin{},
			RequiredAcks: kafka.RequireAll,
			BatchTimeout: 10 * time.Millisecond,
			Compression:  codec,
			Transport:    transport,
		}
		var messages []kafka.Message
		for number := range count / 3 {
			messages = append(messages, kafka.Message{
				Key:   fmt.Append(nil, number),
				Value: fmt.Appendf(nil, "%d-%d", round, number),
			})
		}
		settings.Must(writer.WriteMessages(ctx, messages...), "write")
		settings.Must(writer.Close(), "close the writer")
	}
}

func readGroup(ctx context.Context, dialer *kafka.Dialer) int {
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers:     []string{settings.Bootstrap},
		GroupID:     settings.Group,
		Topic:       settings.Topic,
		StartOffset: kafka.FirstOffset,
		MaxWait:     500 * time.Millisecond,
		Dialer:      dialer,
	})
	seen := map[string]bool{}
	for len(seen) < count {
		message, err := reader.FetchMessage(ctx)
		settings.Must(err, "fetch as a group")
		seen[string(message.Value)] = true
		settings.Must(reader.CommitMessages(ctx, message), "commit")
	}
	settings.Must(reader.Close(), "close the group's reader")
	return len(seen)
}

func readPartitions(ctx context.Context, dialer *kafka.Dialer) int {
	seen := 0
	for partition := range partitions {
		conn, err := dialer.DialLeader(ctx, "tcp", settings.Bootstrap, settings.Topic, partition)
		settings.Must(err, "dial the leader")
		first, last, err := conn.ReadOffsets()
		settings.Must(err, "read offsets")
		settings.Must(conn.Close(), "close")

		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers:   []string{settings.Bootstrap},
			Topic:     settings.Topic,
			Partition: partition,
			MaxWait:   500 * time.Millisecond,
			Dialer:    dialer,
		})
		settings.Must(reader.SetOffset(first), "set the offset")
		for offset := first; offset < last; offset++ {
			message, err := reader.ReadMessage(ctx)
			settings.Must(err, "read a partition")
			settings.Expect(message.Offset == offset, "offset %d, not %d", message.Offset, offset)
			seen++
		}
		settings.Must(reader.Close(), "close the partition's reader")
	}
	return seen
}
