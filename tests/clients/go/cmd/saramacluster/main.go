// sarama-cluster with the Sarama of its time, as programs from before Sarama had groups of its own
// still use it. The argument is the version of Kafka that the client is told to speak to.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/Shopify/sarama"
	cluster "github.com/bsm/sarama-cluster"

	"tidegate/tests/settings"
)

const (
	// As the broker makes topics by default.
	partitions = 4
	count      = 60
)

func config() *cluster.Config {
	config := cluster.NewConfig()
	version, err := sarama.ParseKafkaVersion(os.Args[1])
	settings.Must(err, "version")
	config.Version = version
	config.ClientID = "sarama-cluster-tests"
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Compression = sarama.CompressionSnappy
	config.Consumer.Return.Errors = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Group.Return.Notifications = true
	if tls := settings.TLS(); tls != nil {
		config.Net.TLS.Enable = true
		config.Net.TLS.Config = tls
		config.Net.SASL.Enable = true
		config.Net.SASL.User = settings.User
		config.Net.SASL.Password = settings.Password
	}
	return config
}

func main() {
	addresses := []string{settings.Bootstrap}
	client, err := cluster.NewClient(addresses, config())
	settings.Must(err, "connect")
	defer client.Close()
	create(client)
	produce(client, 0)

	// A second member takes its share, and leaves it to the first one again.
	first, second := join(client), join(nil)
	share(first, second)
	read := map[string]bool{}
	readFrom(read, count, first, second)
	settings.Must(second.CommitOffsets(), "commit")
	settings.Must(second.Close(), "leave")
	produce(client, count)
	readFrom(read, 2*count, first)
	settings.Must(first.CommitOffsets(), "commit")
	settings.Must(first.Close(), "leave")

	// What was committed is not read again.
	produce(client, 2*count)
	third := join(nil)
	fresh := map[string]bool{}
	readFrom(fresh, count, third)
	for value := range fresh {
		settings.Expect(!read[value], "%s comes again", value)
	}
	settings.Must(third.Close(), "leave")
	settings.OK()
}

// create lets the broker make the topic: the requests of that time to create one are gone.
func create(client *cluster.Client) {
	for found := 0; found < partitions; {
		err := client.RefreshMetadata(settings.Topic)
		if err != sarama.ErrLeaderNotAvailable {
			settings.Must(err, "refresh metadata")
		}
		known, _ := client.Partitions(settings.Topic)
		found = len(known)
	}
}

func produce(client *cluster.Client, from int) {
	producer, err := sarama.NewSyncProducerFromClient(client.Client)
	settings.Must(err, "producer")
	var messages []*sarama.ProducerMessage
	for number := from; number < from+count; number++ {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: settings.Topic,
			Key:   sarama.StringEncoder(fmt.Sprint(number)),
			Value: sarama.StringEncoder(fmt.Sprintf("value-%d", number)),
		})
	}
	settings.Must(producer.SendMessages(messages), "send")
}

// join adds a member, with the client or with one of its own.
func join(client *cluster.Client) *cluster.Consumer {
	topics := []string{settings.Topic}
	if client != nil {
		consumer, err := cluster.NewConsumerFromClient(client, settings.Group, topics)
		settings.Must(err, "join")
		return consumer
	}
	consumer, err := cluster.NewConsumer([]string{settings.Bootstrap}, settings.Group, topics, config())
	settings.Must(err, "join")
	return consumer
}

// share waits until both have half of the partitions.
func share(first, second *cluster.Consumer) {
	owned := map[*cluster.Consumer]int{}
	late := time.After(60 * time.Second)
	note := func(member *cluster.Consumer, n *cluster.Notification) {
		if n.Type == cluster.RebalanceOK {
			owned[member] = len(n.Current[settings.Topic])
		}
	}
	for owned[first] != partitions/2 || owned[second] != partitions/2 {
		select {
		case n := <-first.Notifications():
			note(first, n)
		case n := <-second.Notifications():
			note(second, n)
		case err := <-first.Errors():
			settings.Must(err, "first member")
		case err := <-second.Errors():
			settings.Must(err, "second member")
		case <-late:
			settings.Expect(false, "partitions are shared as %v", owned)
		}
	}
}

// readFrom reads until so many different values are known, and marks them.
func readFrom(read map[string]bool, total int, members ...*cluster.Consumer) {
	late := time.After(60 * time.Second)
	second := members[len(members)-1]
	take := func(member *cluster.Consumer, message *sarama.ConsumerMessage) {
		if message != nil {
			read[string(message.Value)] = true
			member.MarkOffset(message, "")
		}
	}
	for len(read) < total {
		select {
		case message := <-members[0].Messages():
			take(members[0], message)
		case message := <-second.Messages():
			take(second, message)
		case err := <-members[0].Errors():
			settings.Must(err, "consume")
		case err := <-second.Errors():
			settings.Must(err, "consume")
		case <-members[0].Notifications():
		case <-second.Notifications():
		case <-late:
			settings.Expect(false, "only %d of %d were read", len(read), total)
		}
	}
}
