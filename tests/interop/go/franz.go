package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

type franzTest struct {
	broker, prefix string
	ctx            context.Context
	admin          *kadm.Client
}

func (t *franzTest) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(t.broker)}, opts...)...)
}

func (t *franzTest) topic(name string, partitions int32) (string, error) {
	made, err := t.admin.CreateTopic(t.ctx, partitions, 1, nil, t.prefix+name)
	if err != nil {
		return "", err
	}
	return t.prefix + name, made.Err
}

func records(topic, prefix string, n int) []*kgo.Record {
	var all []*kgo.Record
	for i := 0; i < n; i++ {
		all = append(all, &kgo.Record{Topic: topic, Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint(prefix, i))})
	}
	return all
}

// Everything between the first and the last offset of a topic, read by a client without a group.
func (t *franzTest) readAll(topic string, opts ...kgo.Opt) ([]string, error) {
	ends, err := t.admin.ListEndOffsets(t.ctx, topic)
	if err != nil {
		return nil, err
	}
	var left int64
	ends.Each(func(o kadm.ListedOffset) { left += o.Offset })
	c, err := t.client(append([]kgo.Opt{kgo.ConsumeTopics(topic), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())}, opts...)...)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var found []string
	for idle := 0; idle < 4; {
		ctx, cancel := context.WithTimeout(t.ctx, 500*time.Millisecond)
		fetches := c.PollFetches(ctx)
		cancel()
		n := 0
		fetches.EachRecord(func(r *kgo.Record) {
			n++
			left--
			if !r.Attrs.IsControl() {
				found = append(found, string(r.Value))
			}
		})
		if left <= 0 {
			break
		}
		if n == 0 {
			idle++
		} else {
			idle = 0
		}
	}
	return found, nil
}

func (t *franzTest) codecs() error {
	topic, err := t.topic("codecs", 3)
	if err != nil {
		return err
	}
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(),
		kgo.Lz4Compression(), kgo.ZstdCompression()}
	var want int
	for i, codec := range codecs {
		c, err := t.client(kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic))
		if err != nil {
			return err
		}
		rs := records(topic, "v", 1000*(i+1))[want:]
		want += len(rs)
		err = c.ProduceSync(t.ctx, rs...).FirstErr()
		c.Close()
		if err != nil {
			return err
		}
	}
	found, err := t.readAll(topic)
	if err != nil {
		return err
	}
	return numbered(found, "v", want)
}

func (t *franzTest) groups(opts ...kgo.Opt) error {
	topic, err := t.topic(fmt.Sprint("groups", len(opts)), 6)
	if err != nil {
		return err
	}
	group := fmt.Sprint(t.prefix, "group", len(opts))
	var mu sync.Mutex
	owned := map[int]int{}
	var found []string
	member := func(i int) (*kgo.Client, chan struct{}, error) {
		c, err := t.client(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.HeartbeatInterval(200 * time.Millisecond), kgo.DisableAutoCommit(),
			kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
				mu.Lock()
				owned[i] += len(m[topic])
				mu.Unlock()
			}),
			kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, m map[string][]int32) {
				mu.Lock()
				owned[i] -= len(m[topic])
				mu.Unlock()
			})}, opts...)...)
		if err != nil {
			return nil, nil, err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				fetches := c.PollFetches(t.ctx)
				if fetches.IsClientClosed() {
					return
				}
				if err := c.CommitUncommittedOffsets(t.ctx); err != nil {
					fmt.Println("commit:", err)
				}
				mu.Lock()
				fetches.EachRecord(func(r *kgo.Record) { found = append(found, string(r.Value)) })
				mu.Unlock()
			}
		}()
		return c, done, nil
	}
	a, aDone, err := member(0)
	if err != nil {
		return err
	}
	b, bDone, err := member(1)
	if err != nil {
		return err
	}
	both := func() bool { mu.Lock(); defer mu.Unlock(); return owned[0] == 3 && owned[1] == 3 }
	if err := waitFor("three partitions each", both); err != nil {
		return err
	}
	p, err := t.client()
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.ProduceSync(t.ctx, records(topic, "v", 600)...).FirstErr(); err != nil {
		return err
	}
	if err := waitFor("all records", func() bool { mu.Lock(); defer mu.Unlock(); return len(found) >= 600 }); err != nil {
		return err
	}
	lags, err := t.admin.Lag(t.ctx, group)
	if err != nil {
		return err
	}
	if state := lags[group].State; state != "Stable" || len(lags[group].Members) != 2 {
		return fmt.Errorf("the group is %s with %d members", state, len(lags[group].Members))
	}
	b.Close()
	<-bDone
	if err := waitFor("all six", func() bool { mu.Lock(); defer mu.Unlock(); return owned[0] == 6 }); err != nil {
		return err
	}
	a.Close()
	<-aDone
	offsets, err := t.admin.FetchOffsets(t.ctx, group)
	if err != nil {
		return err
	}
	var sum int64
	offsets.Each(func(o kadm.OffsetResponse) { sum += o.At })
	if sum != 600 {
		return fmt.Errorf("committed offsets sum up to %d", sum)
	}
	if _, err := t.admin.DeleteGroups(t.ctx, group); err != nil {
		return err
	}
	return numbered(found, "v", 600)
}

func (t *franzTest) transactions() error {
	topic, err := t.topic("tx", 2)
	if err != nil {
		return err
	}
	c, err := t.client(kgo.TransactionalID(t.prefix+"tx"), kgo.TransactionTimeout(20*time.Second))
	if err != nil {
		return err
	}
	defer c.Close()
	for _, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort} {
		if err := c.BeginTransaction(); err != nil {
			return err
		}
		prefix := "v"
		if !commit {
			prefix = "aborted"
		}
		if err := c.ProduceSync(t.ctx, records(topic, prefix, 100)...).FirstErr(); err != nil {
			return err
		}
		if err := c.EndTransaction(t.ctx, commit); err != nil {
			return err
		}
	}
	found, err := t.readAll(topic, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	return numbered(found, "v", 100)
}

// Reads one topic, writes another, offsets in the same transactions; two members that come and go.
func (t *franzTest) sessions() error {
	from, err := t.topic("from", 4)
	if err != nil {
		return err
	}
	to, err := t.topic("to", 2)
	if err != nil {
		return err
	}
	p, err := t.client()
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.ProduceSync(t.ctx, records(from, "v", 1000)...).FirstErr(); err != nil {
		return err
	}
	worker := func(id string, limit int) error {
		s, err := kgo.NewGroupTransactSession(kgo.SeedBrokers(t.broker), kgo.TransactionalID(t.prefix+id),
			kgo.ConsumerGroup(t.prefix+"eos"), kgo.ConsumeTopics(from), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RequireStableFetchOffsets(),
			kgo.HeartbeatInterval(200*time.Millisecond))
		if err != nil {
			return err
		}
		defer s.Close()
		for idle := 0; idle < 6 && limit > 0; {
			ctx, cancel := context.WithTimeout(t.ctx, 500*time.Millisecond)
			fetches := s.PollRecords(ctx, 50)
			cancel()
			if fetches.NumRecords() == 0 {
				idle++
				continue
			}
			idle = 0
			limit--
			if err := s.Begin(); err != nil {
				return err
			}
			var e kgo.FirstErrPromise
			fetches.EachRecord(func(r *kgo.Record) {
				s.Produce(t.ctx, &kgo.Record{Topic: to, Value: r.Value}, e.Promise())
			})
			if _, err := s.End(t.ctx, e.Err() == nil); err != nil {
				return err
			}
		}
		return nil
	}
	results := make(chan error, 2)
	go func() { results <- worker("eos-a", 5) }() // leaves early, on purpose
	go func() { results <- worker("eos-b", 1000) }()
	if err := errors.Join(<-results, <-results); err != nil {
		return err
	}
	found, err := t.readAll(to, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	return numbered(found, "v", 1000)
}

func (t *franzTest) admins() error {
	topic, err := t.topic("admin", 2)
	if err != nil {
		return err
	}
	if _, err := t.topic("admin", 2); !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("twice: %v", err)
	}
	p, err := t.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return err
	}
	defer p.Close()
	if err := p.ProduceSync(t.ctx, records(topic, "v", 10)...).FirstErr(); err != nil {
		return err
	}
	if _, err := t.admin.CreatePartitions(t.ctx, 1, topic); err != nil {
		return err
	}
	details, err := t.admin.ListTopics(t.ctx, topic)
	if err != nil || len(details[topic].Partitions) != 3 {
		return fmt.Errorf("partitions: %v %v", details, err)
	}
	value := "123456"
	if _, err := t.admin.AlterTopicConfigs(t.ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic); err != nil {
		return err
	}
	configs, err := t.admin.DescribeTopicConfigs(t.ctx, topic)
	if err != nil {
		return err
	}
	found := ""
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" {
			found = c.MaybeValue()
		}
	}
	if found != value {
		return fmt.Errorf("retention.ms is %q", found)
	}
	deleted, err := t.admin.DeleteRecords(t.ctx, kadm.Offsets{topic: {0: {Topic: topic, Partition: 0, At: 4}}})
	if err != nil || deleted[topic][0].LowWatermark != 4 {
		return fmt.Errorf("delete records: %v %v", deleted, err)
	}
	if dirs, err := t.admin.DescribeAllLogDirs(t.ctx, nil); err != nil || len(dirs) != 1 {
		return fmt.Errorf("log dirs: %v %v", dirs, err)
	}
	if txns, err := t.admin.ListTransactions(t.ctx, nil, nil); err != nil || len(txns) == 0 {
		return fmt.Errorf("transactions: %v %v", txns, err)
	}
	if _, err := t.admin.DeleteTopics(t.ctx, topic); err != nil {
		return err
	}
	versions, err := t.admin.ApiVersions(t.ctx)
	if err != nil || len(versions) != 1 {
		return fmt.Errorf("versions: %v %v", versions, err)
	}
	return nil
}

func franz(broker, prefix string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	t := &franzTest{broker: broker, prefix: prefix, ctx: ctx}
	c, err := t.client()
	if err != nil {
		step("client", func() error { return err })
		return
	}
	defer c.Close()
	t.admin = kadm.NewClient(c)
	step("codecs", t.codecs)
	step("groups", func() error { return t.groups() })
	step("groups, by range", func() error { return t.groups(kgo.Balancers(kgo.RangeBalancer())) })
	step("transactions", t.transactions)
	step("sessions", t.sessions)
	step("admins", t.admins)
}
