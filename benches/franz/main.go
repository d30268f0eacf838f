// franz-go as the load: sends at a set rate with linger 0, reads what it sends, and prints as JSON how
// long each record took from the time at which it was meant to be sent.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	recordBytes = 1024
	// Between two looks at what is due.
	nap = 200 * time.Microsecond
	// How long acknowledgements and readers may take in the end.
	drainLimit = 30 * time.Second
)

var (
	server  = flag.String("server", "127.0.0.1:9092", "a broker")
	topic   = flag.String("topic", "bench", "a topic that is there and empty")
	rate    = flag.Float64("rate", 20_000, "records a second")
	seconds = flag.Float64("seconds", 5, "the measured time")
	warmUp  = flag.Float64("warm-up-seconds", 0, "before the measured time")
	origin  = time.Now()
)

// latencies holds when each record was due and how long it took.
type latencies struct {
	sync.Mutex
	due, took []time.Duration
}

func (l *latencies) note(value []byte) {
	due := time.Duration(binary.BigEndian.Uint64(value))
	took := time.Since(origin) - due
	l.Lock()
	defer l.Unlock()
	l.due, l.took = append(l.due, due), append(l.took, took)
}

// quantiles are those of the records that were due in the measured time, and their count.
func (l *latencies) quantiles(from, until time.Duration) (map[string]float64, int) {
	l.Lock()
	defer l.Unlock()
	var measured []time.Duration
	for index, due := range l.due {
		if due >= from && due < until {
			measured = append(measured, l.took[index])
		}
	}
	if len(measured) == 0 {
		return nil, 0
	}
	slices.Sort(measured)
	at := func(quantile float64) float64 {
		index := min(int(quantile*float64(len(measured))), len(measured)-1)
		return float64(measured[index]) / float64(time.Millisecond)
	}
	quantiles := map[string]float64{"p50": at(0.5), "p99": at(0.99), "p99_9": at(0.999), "p99_99": at(0.9999), "max": at(1)}
	return quantiles, len(measured)
}

func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }

func client(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(*server))...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return client
}

// sent is what became of the sending.
type sent struct {
	// Begin and end of the measured time.
	from, until time.Duration
	failed      int64
	err         error
}

// send sends what is due until the end of the measured time and waits for the acknowledgements.
func send(ctx context.Context, acknowledged *atomic.Int64, told *latencies) sent {
	producer := client(
		kgo.DefaultProduceTopic(*topic),
		kgo.ProducerLinger(0),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		// What is due is sent, however slow the broker is.
		kgo.MaxBufferedRecords(1<<20),
		kgo.MaxBufferedBytes(2<<30),
	)
	defer producer.Close()
	if err := producer.Ping(ctx); err != nil {
		return sent{err: err}
	}
	values := sync.Pool{New: func() any { return new([recordBytes]byte) }}
	var failed atomic.Int64
	begin, count := time.Since(origin), int64(0)
	from := begin + duration(*warmUp)
	until := from + duration(*seconds)
	for now := begin; now < until; now = time.Since(origin) {
		for due := int64(float64(now-begin) / float64(time.Second) * *rate); count < due; count++ {
			value := values.Get().(*[recordBytes]byte)
			at := begin + time.Duration(float64(count) / *rate * float64(time.Second))
			binary.BigEndian.PutUint64(value[:], uint64(at))
			producer.Produce(ctx, &kgo.Record{Value: value[:]}, func(record *kgo.Record, err error) {
				if err != nil {
					failed.Add(1)
				} else {
					acknowledged.Add(1)
					told.note(record.Value)
				}
				values.Put(value)
			})
		}
		time.Sleep(nap)
	}
	err := producer.Flush(ctx)
	return sent{from: from, until: until, failed: failed.Load(), err: err}
}

// read reads from the beginning until it is told to stop.
func read(ctx context.Context, seen *atomic.Int64, told *latencies) {
	consumer := client(kgo.ConsumeTopics(*topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer consumer.Close()
	for ctx.Err() == nil {
		consumer.PollFetches(ctx).EachRecord(func(record *kgo.Record) {
			seen.Add(1)
			told.note(record.Value)
		})
	}
}

func main() {
	flag.Parse()
	limit := duration(*warmUp+*seconds) + drainLimit
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	var acknowledged, seen atomic.Int64
	var sending, reading latencies
	done := make(chan struct{})
	go func() {
		defer close(done)
		read(ctx, &seen, &reading)
	}()
	sent := send(ctx, &acknowledged, &sending)
	for seen.Load() < acknowledged.Load() && ctx.Err() == nil {
		time.Sleep(nap)
	}
	cancel()
	<-done
	faults := map[string]int64{"refused": sent.failed, "acknowledged and never seen": max(acknowledged.Load()-seen.Load(), 0)}
	if sent.err != nil {
		faults[sent.err.Error()] = 1
	}
	produce, measured := sending.quantiles(sent.from, sent.until)
	endToEnd, _ := reading.quantiles(sent.from, sent.until)
	report := map[string]any{
		"seconds": *seconds, "records": acknowledged.Load(), "faults": faults,
		"records_per_s": float64(measured) / *seconds,
		"produce_ms":    produce, "end_to_end_ms": endToEnd,
	}
	if err := json.NewEncoder(os.Stdout).Encode(report); err != nil {
		os.Exit(1)
	}
}
