// franz-go: admin, an idempotent producer with each codec, and a group consumer that commits.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"tidegate/tests/settings"
)

const (
	partitions = 4
	count      = 100
)

var codecs = []kgo.CompressionCodec{
	kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
}

func client(options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(settings.Bootstrap), kgo.ClientID("franz-tests"))
	if tls := settings.TLS(); tls != nil {
		login := plain.Auth{User: settings.User, Pass: settings.Password}
		options = append(options, kgo.DialTLSConfig(tls), kgo.SASL(login.AsMechanism()))
	}
	client, err := kgo.NewClient(options...)
	settings.Must(err, "client")
	return client
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()

	adminClient := client()
	admin := kadm.NewClient(adminClient)
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, settings.Topic)
	settings.Must(err, "create the topic")

	for round, codec := range codecs {
		produce(ctx, round, codec)
	}
	ends, err := admin.ListEndOffsets(ctx, settings.Topic)
	settings.Must(err, "end offsets")
	var total int64
	ends.Each(func(end kadm.ListedOffset) { total += end.Offset })
	settings.Expect(total == count*int64(len(codecs)), "%d messages in the topic", total)

	consume(ctx)
	lags, err := admin.Lag(ctx, settings.Group)
	settings.Must(err, "lag")
	lag := lags[settings.Group].Lag.Total()
	settings.Expect(lag == 0, "a lag of %d", lag)
	_, err = admin.DeleteGroup(ctx, settings.Group)
	settings.Must(err, "delete the group")
	_, err = admin.DeleteTopics(ctx, settings.Topic)
	settings.Must(err, "delete the topic")
	adminClient.Close()
	settings.OK()
}

func produce(ctx context.Context, round int, codec kgo.CompressionCodec) {
	producer := client(kgo.DefaultProduceTopic(settings.Topic), kgo.ProducerBatchCompression(codec))
	defer producer.Close()
	for number := range count {
		producer.Produce(ctx, &kgo.Record{
			Key:     fmt.Appendf(nil, "%d", number),
			Value:   fmt.Appendf(nil, "%d-%d", round, number),
			Headers: []kgo.RecordHeader{{Key: "round", Value: fmt.Append(nil, round)}},
		}, func(_ *kgo.Record, err error) { settings.Must(err, "produce") })
	}
	settings.Must(producer.Flush(ctx), "flush")
}

func consume(ctx context.Context) {
	consumer := client(
		kgo.ConsumerGroup(settings.Group),
		kgo.ConsumeTopics(settings.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	defer consumer.Close()
	seen := map[string]bool{}
	for len(seen) < count*len(codecs) {
		fetches := consumer.PollFetches(ctx)
		settings.Must(fetches.Err(), "poll")
		fetches.EachRecord(func(record *kgo.Record) {
			settings.Expect(len(record.Headers) == 1, "%d headers", len(record.Headers))
			seen[string(record.Value)] = true
		})
	}
	settings.Must(consumer.CommitUncommittedOffsets(ctx), "commit")
}
