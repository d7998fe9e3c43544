package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

type saramaTest struct {
	broker, prefix string
	admin          sarama.ClusterAdmin
}

func saramaConfig(version sarama.KafkaVersion) *sarama.Config {
	c := sarama.NewConfig()
	c.Version = version
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	return c
}

func (t *saramaTest) topic(name string, partitions int32) (string, error) {
	return t.prefix + name, t.admin.CreateTopic(t.prefix+name, &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}, false)
}

func (t *saramaTest) readAll(topic string, partitions int32, config *sarama.Config) ([]string, error) {
	c, err := sarama.NewClient([]string{t.broker}, config)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	consumer, err := sarama.NewConsumerFromClient(c)
	if err != nil {
		return nil, err
	}
	var found []string
	for p := int32(0); p < partitions; p++ {
		end, err := c.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return nil, err
		}
		if end == 0 {
			continue
		}
		pc, err := consumer.ConsumePartition(topic, p, sarama.OffsetOldest)
		if err != nil {
			return nil, err
		}
		for done := false; !done; {
			select {
			case m := <-pc.Messages():
				found = append(found, string(m.Value))
				done = m.Offset == end-1
			case <-time.After(2 * time.Second): // only a marker is left
				done = true
			}
		}
		_ = pc.Close()
	}
	return found, nil
}

func (t *saramaTest) codecs() error {
	topic, err := t.topic("s-codecs", 2)
	if err != nil {
		return err
	}
	n := 0
	for _, version := range []sarama.KafkaVersion{sarama.V0_11_0_0, sarama.V2_1_0_0, sarama.V3_6_0_0} {
		for _, codec := range []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP,
			sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD} {
			if codec == sarama.CompressionZSTD && !version.IsAtLeast(sarama.V2_1_0_0) {
				continue
			}
			config := saramaConfig(version)
			config.Producer.Compression = codec
			p, err := sarama.NewSyncProducer([]string{t.broker}, config)
			if err != nil {
				return err
			}
			var all []*sarama.ProducerMessage
			for i := 0; i < 100; i++ {
				all = append(all, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint("v", n))})
				n++
			}
			err = p.SendMessages(all)
			_ = p.Close()
			if err != nil {
				return fmt.Errorf("%v with %v: %w", version, codec, err)
			}
		}
	}
	found, err := t.readAll(topic, 2, saramaConfig(sarama.V3_6_0_0))
	if err != nil {
		return err
	}
	return numbered(found, "v", n)
}

func (t *saramaTest) idempotence() error {
	topic, err := t.topic("s-idempotent", 2)
	if err != nil {
		return err
	}
	config := saramaConfig(sarama.V3_6_0_0)
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	p, err := sarama.NewAsyncProducer([]string{t.broker}, config)
	if err != nil {
		return err
	}
	go func() {
		for i := 0; i < 2000; i++ {
			p.Input() <- &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint("v", i))}
		}
	}()
	for i := 0; i < 2000; i++ {
		select {
		case <-p.Successes():
		case e := <-p.Errors():
			return e
		}
	}
	_ = p.Close()
	found, err := t.readAll(topic, 2, config)
	if err != nil {
		return err
	}
	return numbered(found, "v", 2000)
}

func (t *saramaTest) transactions() error {
	topic, err := t.topic("s-tx", 1)
	if err != nil {
		return err
	}
	config := saramaConfig(sarama.V3_6_0_0)
	config.Producer.Idempotent = true
	config.Producer.Transaction.ID = t.prefix + "s-tx"
	config.Net.MaxOpenRequests = 1
	config.Consumer.IsolationLevel = sarama.ReadCommitted
	p, err := sarama.NewSyncProducer([]string{t.broker}, config)
	if err != nil {
		return err
	}
	defer p.Close()
	send := func(prefix string) error {
		if err := p.BeginTxn(); err != nil {
			return err
		}
		for i := 0; i < 50; i++ {
			if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint(prefix, i))}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := send("v"); err != nil {
		return err
	}
	if err := p.AddOffsetsToTxn(map[string][]*sarama.PartitionOffsetMetadata{topic: {{Partition: 0, Offset: 7, LeaderEpoch: -1}}}, t.prefix+"s-eos"); err != nil {
		return err
	}
	if err := p.CommitTxn(); err != nil {
		return err
	}
	if err := send("aborted"); err != nil {
		return err
	}
	if err := p.AbortTxn(); err != nil {
		return err
	}
	offsets, err := t.admin.ListConsumerGroupOffsets(t.prefix+"s-eos", map[string][]int32{topic: {0}})
	if err != nil || offsets.GetBlock(topic, 0).Offset != 7 {
		return fmt.Errorf("offset: %v %v", offsets, err)
	}
	found, err := t.readAll(topic, 1, config)
	if err != nil {
		return err
	}
	return numbered(found, "v", 50)
}

type handler struct {
	mu    sync.Mutex
	found []string
	owned map[string]int
	name  string
	all   *handler
}

func (h *handler) Setup(s sarama.ConsumerGroupSession) error {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	n := 0
	for _, ps := range s.Claims() {
		n += len(ps)
	}
	h.all.owned[h.name] = n
	return nil
}

func (h *handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (h *handler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, ok := <-claim.Messages():
			if !ok {
				return nil
			}
			h.all.mu.Lock()
			h.all.found = append(h.all.found, string(m.Value))
			h.all.mu.Unlock()
			s.MarkMessage(m, "")
		case <-s.Context().Done():
			return nil
		}
	}
}

func (t *saramaTest) groups(version sarama.KafkaVersion) error {
	topic, err := t.topic("s-group-"+version.String(), 4)
	if err != nil {
		return err
	}
	group := t.prefix + "s-group-" + version.String()
	all := &handler{owned: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wait sync.WaitGroup
	errs := make(chan error, 2)
	for _, name := range []string{"a", "b"} {
		config := saramaConfig(version)
		config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategySticky()}
		config.Consumer.Group.Heartbeat.Interval = 200 * time.Millisecond
		if version.IsAtLeast(sarama.V2_3_0_0) {
			config.Consumer.Group.InstanceId = name
		}
		g, err := sarama.NewConsumerGroup([]string{t.broker}, group, config)
		if err != nil {
			cancel()
			return err
		}
		wait.Add(1)
		go func(name string) {
			defer wait.Done()
			defer g.Close()
			for ctx.Err() == nil {
				if err := g.Consume(ctx, []string{topic}, &handler{name: name, all: all}); err != nil && ctx.Err() == nil {
					errs <- err
					return
				}
			}
		}(name)
	}
	err = waitFor("two partitions each", func() bool { all.mu.Lock(); defer all.mu.Unlock(); return all.owned["a"] == 2 && all.owned["b"] == 2 })
	if err == nil {
		var p sarama.SyncProducer
		if p, err = sarama.NewSyncProducer([]string{t.broker}, saramaConfig(version)); err == nil {
			for i := 0; i < 200 && err == nil; i++ {
				_, _, err = p.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(fmt.Sprint("v", i))})
			}
			_ = p.Close()
		}
	}
	if err == nil {
		err = waitFor("all records", func() bool { all.mu.Lock(); defer all.mu.Unlock(); return len(all.found) >= 200 })
	}
	cancel()
	wait.Wait()
	select {
	case e := <-errs:
		err = errors.Join(err, e)
	default:
	}
	if err != nil {
		return err
	}
	offsets, err := t.admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1, 2, 3}})
	if err != nil {
		return err
	}
	var sum int64
	for _, b := range offsets.Blocks[topic] {
		if b.Offset > 0 {
			sum += b.Offset
		}
	}
	if sum != 200 {
		return fmt.Errorf("committed offsets sum up to %d", sum)
	}
	return numbered(all.found, "v", 200)
}

func (t *saramaTest) admins() error {
	topic, err := t.topic("s-admin", 1)
	if err != nil {
		return err
	}
	if _, err := t.topic("s-admin", 1); !errors.Is(err, sarama.ErrTopicAlreadyExists) {
		return fmt.Errorf("twice: %v", err)
	}
	if err := t.admin.CreatePartitions(topic, 3, nil, false); err != nil {
		return err
	}
	value := "1000"
	if err := t.admin.IncrementalAlterConfig(sarama.TopicResource, topic,
		map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false); err != nil {
		return err
	}
	entries, err := t.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
	if err != nil || len(entries) != 1 || entries[0].Value != value {
		return fmt.Errorf("configs: %v %v", entries, err)
	}
	described, err := t.admin.DescribeTopics([]string{topic})
	if err != nil || len(described[0].Partitions) != 3 {
		return fmt.Errorf("describe: %v %v", described, err)
	}
	brokers, controller, err := t.admin.DescribeCluster()
	if err != nil || len(brokers) != 1 || brokers[0].ID() != controller {
		return fmt.Errorf("cluster: %v %d %v", brokers, controller, err)
	}
	if _, err := t.admin.DescribeLogDirs([]int32{controller}); err != nil {
		return err
	}
	if _, err := t.admin.ListConsumerGroups(); err != nil {
		return err
	}
	return t.admin.DeleteTopic(topic)
}

func saramaSteps(broker, prefix string) {
	admin, err := sarama.NewClusterAdmin([]string{broker}, saramaConfig(sarama.V3_6_0_0))
	if err != nil {
		step("admin", func() error { return err })
		return
	}
	defer admin.Close()
	t := &saramaTest{broker: broker, prefix: prefix, admin: admin}
	step("codecs", t.codecs)
	step("idempotence", t.idempotence)
	step("transactions", t.transactions)
	for _, version := range []sarama.KafkaVersion{sarama.V0_11_0_0, sarama.V2_1_0_0, sarama.V3_6_0_0} {
		step("groups as of "+version.String(), func() error { return t.groups(version) })
	}
	step("admins", t.admins)
}
