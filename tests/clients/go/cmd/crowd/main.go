// A crowd: hundreds of members of one group in one process, by franz-go. It prints how often the
// busiest member was given partitions, once the group has settled and again after some have left,
// and waits for a line each time.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"tidegate/tests/settings"
)

const limit = 90 * time.Second

type member struct {
	client *kgo.Client
	owned  map[int32]bool
	given  int
}

// crowd is the group as its members see it.
type crowd struct {
	mutex   sync.Mutex
	changed *sync.Cond
	members []*member
	read    map[string]bool
	late    bool
}

func main() {
	count, err := strconv.Atoi(os.Args[1])
	settings.Must(err, "members")
	partitions, err := strconv.Atoi(os.Args[2])
	settings.Must(err, "partitions")
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()

	client, err := kgo.NewClient(kgo.SeedBrokers(settings.Bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	settings.Must(err, "client")
	_, err = kadm.NewClient(client).CreateTopic(ctx, int32(partitions), 1, nil, settings.Topic)
	settings.Must(err, "create the topic")

	all := &crowd{read: map[string]bool{}}
	all.changed = sync.NewCond(&all.mutex)
	context.AfterFunc(ctx, func() {
		all.mutex.Lock()
		all.late = true
		all.mutex.Unlock()
		all.changed.Broadcast()
	})
	for range count {
		all.join(ctx)
	}
	all.settle(partitions, count)
	produce(ctx, client, partitions, "first")
	all.wait("all is read", func() bool { return len(all.read) == partitions })
	fmt.Println("settled", all.busiest())

	lines := bufio.NewReader(os.Stdin)
	lines.ReadString('\n')
	left := count / 4
	var leaving sync.WaitGroup
	for _, member := range all.leave(left) {
		leaving.Go(member.client.Close)
	}
	leaving.Wait()
	all.settle(partitions, count-left)
	produce(ctx, client, partitions, "second")
	all.wait("all is read", func() bool { return len(all.read) == 2*partitions })
	fmt.Println("settled", all.busiest())
	lines.ReadString('\n')
	settings.OK()
	// The members needn't say goodbye one by one.
	os.Exit(0)
}

func (all *crowd) join(ctx context.Context) {
	m := &member{owned: map[int32]bool{}}
	all.mutex.Lock()
	all.members = append(all.members, m)
	all.mutex.Unlock()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(settings.Bootstrap),
		kgo.ConsumerGroup(settings.Group),
		kgo.ConsumeTopics(settings.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.Balancers(kgo.RangeBalancer()),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.SessionTimeout(30*time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given map[string][]int32) {
			all.mutex.Lock()
			m.given++
			for _, partition := range given[settings.Topic] {
				m.owned[partition] = true
			}
			all.mutex.Unlock()
			all.changed.Broadcast()
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, taken map[string][]int32) {
			all.mutex.Lock()
			for _, partition := range taken[settings.Topic] {
				delete(m.owned, partition)
			}
			all.mutex.Unlock()
		}),
	)
	settings.Must(err, "member")
	m.client = client
	go func() {
		for ctx.Err() == nil {
			fetches := client.PollFetches(ctx)
			if fetches.IsClientClosed() {
				return
			}
			all.mutex.Lock()
			fetches.EachRecord(func(record *kgo.Record) { all.read[string(record.Value)] = true })
			all.mutex.Unlock()
			all.changed.Broadcast()
		}
	}()
}

// leave takes the first so many members out of the crowd.
func (all *crowd) leave(count int) []*member {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	leaving := all.members[:count]
	all.members = all.members[count:]
	return leaving
}

// settle waits until every partition has one owner and the members have equal shares.
func (all *crowd) settle(partitions, count int) {
	all.wait("the members share the partitions", func() bool {
		owners := map[int32]int{}
		for _, member := range all.members {
			if len(member.owned) < partitions/count {
				return false
			}
			for partition := range member.owned {
				owners[partition]++
			}
		}
		for _, owners := range owners {
			if owners != 1 {
				return false
			}
		}
		return len(owners) == partitions
	})
}

// wait returns once the condition, which is looked at under the lock, holds.
func (all *crowd) wait(what string, holds func() bool) {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	for !holds() {
		settings.Expect(!all.late, "not within %v: %s; %d values were read", limit, what, len(all.read))
		all.changed.Wait()
	}
}

// busiest is how often the member that was given partitions most often was.
func (all *crowd) busiest() int {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	most := 0
	for _, member := range all.members {
		most = max(most, member.given)
	}
	return most
}

// produce sends one message to each partition.
func produce(ctx context.Context, client *kgo.Client, partitions int, word string) {
	var records []*kgo.Record
	for partition := range int32(partitions) {
		value := fmt.Appendf(nil, "%s-%d", word, partition)
		records = append(records, &kgo.Record{Topic: settings.Topic, Partition: partition, Value: value})
	}
	settings.Must(client.ProduceSync(ctx, records...).FirstErr(), "produce")
}
