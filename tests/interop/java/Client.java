import java.lang.reflect.Method;
import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.internals.RecordHeader;

/** What every Java client since 2.1 can do; compiled against 2.1, run with each version. */
public final class Client extends Steps {
    private final String prefix;
    private AdminClient admin;

    private Client(String[] args) {
        super(args);
        this.prefix = args[1];
    }

    private String topic(String name, int partitions, String... configs) throws Exception {
        NewTopic topic = new NewTopic(prefix + name, partitions, (short) 1);
        Map<String, String> all = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) all.put(configs[i], configs[i + 1]);
        admin.createTopics(Collections.singleton(topic.configs(all))).all().get();
        return prefix + name;
    }

    /** The map of futures in an answer, at a key: `values` in old clients, by another name in new ones. */
    @SuppressWarnings("unchecked")
    private static <K, V> KafkaFuture<V> of(Object result, String name, K key) throws Exception {
        for (Method m : result.getClass().getMethods())
            if (m.getName().equals(name)) return ((Map<K, KafkaFuture<V>>) m.invoke(result)).get(key);
        return of(result, "values", key);
    }

    private KafkaFuture<TopicDescription> described(String topic) throws Exception {
        return of(admin.describeTopics(Collections.singleton(topic)), "topicNameValues", topic);
    }

    private void topics() throws Exception {
        String t = topic("topics", 3, "retention.ms", "86400000");
        check(admin.listTopics().names().get().contains(t), () -> "not listed");
        TopicDescription found = described(t).get();
        same(3, found.partitions().size());
        found.partitions().forEach(p -> check(p.leader() != null && p.isr().size() == 1, () -> p));
        fails(TopicExistsException.class, () -> topic("topics", 3));
        fails(InvalidTopicException.class, () -> topic("bad name", 3));
        fails(UnknownTopicOrPartitionException.class,
            () -> described(prefix + "none").get());
        admin.createPartitions(Collections.singletonMap(t, NewPartitions.increaseTo(5))).all().get();
        waitFor("five partitions", () -> {
            try {
                return described(t).get().partitions().size() == 5;
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        fails(InvalidPartitionsException.class,
            () -> admin.createPartitions(Collections.singletonMap(t, NewPartitions.increaseTo(2))).all().get());
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, t);
        Config config = admin.describeConfigs(Collections.singleton(resource)).all().get().get(resource);
        same("86400000", config.get("retention.ms").value());
        check(!config.get("retention.ms").isDefault(), () -> "retention.ms is no default");
        check(config.get("segment.bytes").isDefault(), () -> "segment.bytes is a default");
        admin.deleteTopics(Collections.singleton(t)).all().get();
        waitFor("the topic to be gone", () -> {
            try {
                return !admin.listTopics().names().get().contains(t);
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
    }

    private void cluster() throws Exception {
        same(1, admin.describeCluster().nodes().get().size());
        check(admin.describeCluster().clusterId().get().length() > 10, () -> "no cluster id");
        int id = admin.describeCluster().controller().get().id();
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, Integer.toString(id));
        check(!admin.describeConfigs(Collections.singleton(broker)).all().get().get(broker).entries().isEmpty(),
            () -> "a broker has settings");
        check(!Client.<Integer, Map<String, ?>>of(admin.describeLogDirs(Collections.singleton(id)), "descriptions", id).get().isEmpty(), () -> "no log dir");
    }

    private void codecs() throws Exception {
        String t = topic("codecs", 2);
        int n = 0;
        for (String codec : Arrays.asList("none", "gzip", "snappy", "lz4", "zstd"))
            for (String acks : Arrays.asList("all", "1", "0")) {
                try (KafkaProducer<String, String> p = producer("acks", acks, "compression.type", codec, "linger.ms", 2,
                         "enable.idempotence", acks.equals("all"))) {
                    send(p, t, n, 100);
                    n += 100;
                }
            }
        int all = n;
        waitFor("records without acknowledgement", () -> readAll(t, 2).size() == all);
        same(numbers("v", 0, all), values(readAll(t, 2)));
    }

    private void records() throws Exception {
        String t = topic("records", 1);
        try (KafkaProducer<String, String> p = producer("acks", "all")) {
            ProducerRecord<String, String> r = new ProducerRecord<>(t, 0, 1234567890123L, "key", "value");
            r.headers().add(new RecordHeader("h", "x".getBytes())).add(new RecordHeader("none", (byte[]) null));
            RecordMetadata at = p.send(r).get();
            same(0L, at.offset());
            same(1234567890123L, at.timestamp());
            p.send(new ProducerRecord<>(t, 0, "key", null)).get();
            p.send(new ProducerRecord<>(t, 0, null, "")).get();
        }
        List<ConsumerRecord<String, String>> found = readAll(t, 1);
        same(3, found.size());
        ConsumerRecord<String, String> first = found.get(0);
        same(1234567890123L, first.timestamp());
        same("x", new String(first.headers().lastHeader("h").value()));
        check(first.headers().lastHeader("none").value() == null, () -> "a header's value is null");
        check(found.get(1).value() == null, () -> "a tombstone is null");
        check(found.get(2).key() == null && found.get(2).value().isEmpty(), () -> "empty is not null");
        String small = topic("small", 1, "max.message.bytes", "1000");
        try (KafkaProducer<String, String> p = producer("acks", "all")) {
            fails(RecordTooLargeException.class,
                () -> p.send(new ProducerRecord<>(small, String.join("", Collections.nCopies(2000, "x")))).get());
            p.send(new ProducerRecord<>(small, "x")).get();
        }
    }

    private void idempotence() throws Exception {
        String t = topic("idempotence", 4);
        try (KafkaProducer<String, String> p = producer("enable.idempotence", true, "batch.size", 500, "linger.ms", 0,
                 "max.in.flight.requests.per.connection", 5)) {
            send(p, t, 0, 5000);
        }
        same(numbers("v", 0, 5000), values(readAll(t, 4)));
    }

    private void times() throws Exception {
        String t = topic("times", 1);
        TopicPartition p0 = new TopicPartition(t, 0);
        long base = System.currentTimeMillis() - 100_000;
        try (KafkaProducer<String, String> p = producer()) {
            for (int i = 0; i < 100; i++) p.send(new ProducerRecord<>(t, 0, base + i * 1000L, "k", "v" + i)).get();
        }
        try (KafkaConsumer<String, String> c = consumer()) {
            same(0L, c.beginningOffsets(Collections.singleton(p0)).get(p0));
            same(100L, c.endOffsets(Collections.singleton(p0)).get(p0));
            Map<TopicPartition, OffsetAndTimestamp> found = c.offsetsForTimes(Collections.singletonMap(p0, base + 49_500));
            same(50L, found.get(p0).offset());
            same(base + 50_000, found.get(p0).timestamp());
            check(c.offsetsForTimes(Collections.singletonMap(p0, base + 1_000_000)).get(p0) == null, () -> "behind the end");
            same(1, c.partitionsFor(t).size());
            c.assign(Collections.singleton(p0));
            c.seek(p0, 90);
            int n = 0;
            for (int i = 0; i < 100 && n < 10; i++) n += c.poll(Duration.ofMillis(100)).count();
            same(10, n);
        }
        Map<TopicPartition, RecordsToDelete> before = Collections.singletonMap(p0, RecordsToDelete.beforeOffset(40));
        same(40L, admin.deleteRecords(before).lowWatermarks().get(p0).get().lowWatermark());
        try (KafkaConsumer<String, String> c = consumer()) {
            same(40L, c.beginningOffsets(Collections.singleton(p0)).get(p0));
        }
        same(60, readAll(t, 1).size());
    }

    /** A consumer on its own thread until it is closed. */
    private final class Member implements AutoCloseable {
        final Set<String> seen = Collections.synchronizedSet(new HashSet<>());
        final AtomicInteger owned = new AtomicInteger();
        private final KafkaConsumer<String, String> c;
        private final Thread thread;
        private volatile boolean ending;
        private volatile Throwable failure;

        Member(String t, Object... pairs) {
            c = consumer(pairs);
            c.subscribe(Collections.singleton(t), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> gone) {
                    c.commitSync();
                    owned.addAndGet(-gone.size());
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> come) {
                    owned.addAndGet(come.size());
                }
            });
            thread = new Thread(() -> {
                try {
                    while (!ending) {
                        for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(50))) seen.add(r.value());
                        c.commitAsync();
                    }
                    c.close();
                } catch (Throwable e) {
                    failure = e;
                }
            });
            thread.start();
        }

        @Override
        public void close() throws Exception {
            ending = true;
            thread.join();
            if (failure != null) throw new AssertionError(failure);
        }
    }

    private void group(Object... pairs) throws Exception {
        String g = prefix + "group" + pairs.length;
        String t = topic("group" + pairs.length, 4);
        Object[] all = Arrays.copyOf(pairs, pairs.length + 4);
        all[pairs.length] = "group.id";
        all[pairs.length + 1] = g;
        all[pairs.length + 2] = "heartbeat.interval.ms";
        all[pairs.length + 3] = 200;
        try (KafkaProducer<String, String> p = producer()) {
            try (Member a = new Member(t, all)) {
                waitFor("a to have all", () -> a.owned.get() == 4);
                send(p, t, 0, 100);
                try (Member b = new Member(t, all)) {
                    waitFor("two and two", () -> a.owned.get() == 2 && b.owned.get() == 2);
                    send(p, t, 100, 100);
                    waitFor("all records", () -> IntStream.range(0, 200).mapToObj(i -> "v" + i)
                        .allMatch(v -> a.seen.contains(v) || b.seen.contains(v)));
                    ConsumerGroupDescription d =
                        admin.describeConsumerGroups(Collections.singleton(g)).describedGroups().get(g).get();
                    same(2, d.members().size());
                    same("Stable", d.state().toString());
                    d.members().forEach(m -> same(2, m.assignment().topicPartitions().size()));
                    fails(GroupNotEmptyException.class,
                        () -> admin.deleteConsumerGroups(Collections.singleton(g)).all().get());
                }
                waitFor("a to have all again", () -> a.owned.get() == 4);
                send(p, t, 200, 50);
                // In whatever order the partitions come.
                waitFor("the last", () -> IntStream.range(200, 250).allMatch(i -> a.seen.contains("v" + i)));
            }
        }
        Map<TopicPartition, OffsetAndMetadata> offsets =
            admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata().get();
        same(4, offsets.size());
        same(250L, offsets.values().stream().mapToLong(OffsetAndMetadata::offset).sum());
        check(admin.listConsumerGroups().all().get().stream().anyMatch(x -> x.groupId().equals(g)), () -> "not listed");
        admin.deleteConsumerGroups(Collections.singleton(g)).all().get();
        check(admin.listConsumerGroups().all().get().stream().noneMatch(x -> x.groupId().equals(g)), () -> "still listed");
    }

    private void committed() throws Exception {
        String t = topic("committed", 2);
        TopicPartition p0 = new TopicPartition(t, 0);
        try (KafkaConsumer<String, String> c = consumer("group.id", prefix + "by-hand")) {
            c.assign(partitions(t, 2));
            c.commitSync(Collections.singletonMap(p0, new OffsetAndMetadata(5, "metadata of mine")));
        }
        OffsetAndMetadata found =
            admin.listConsumerGroupOffsets(prefix + "by-hand").partitionsToOffsetAndMetadata().get().get(p0);
        same(5L, found.offset());
        same("metadata of mine", found.metadata());
    }

    private void transactions() throws Exception {
        String t = topic("transactions", 2);
        try (KafkaProducer<String, String> p = producer("transactional.id", prefix + "tx")) {
            p.initTransactions();
            p.beginTransaction();
            send(p, t, 0, 50);
            p.commitTransaction();
            p.beginTransaction();
            send(p, t, 1000, 50);
            p.abortTransaction();
            p.beginTransaction();
            send(p, t, 50, 50);
            check(values(readAll(t, 2, "isolation.level", "read_committed")).equals(numbers("v", 0, 50)), () -> "open ones are seen");
            p.commitTransaction();
        }
        same(numbers("v", 0, 100), values(readAll(t, 2, "isolation.level", "read_committed")));
        same(150, readAll(t, 2).size());
    }

    private void offsetsInTransactions() throws Exception {
        String t = topic("consumed", 1);
        String g = prefix + "consume-transform";
        try (KafkaProducer<String, String> p = producer("transactional.id", prefix + "tx-offsets")) {
            p.initTransactions();
            for (boolean commits : new boolean[] {true, false}) {
                p.beginTransaction();
                send(p, t, 0, 10);
                Map<TopicPartition, OffsetAndMetadata> at =
                    Collections.singletonMap(new TopicPartition(t, 0), new OffsetAndMetadata(commits ? 10 : 99));
                sendOffsets(p, at, g);
                if (commits) p.commitTransaction();
                else p.abortTransaction();
            }
        }
        same(10L, admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata().get().get(new TopicPartition(t, 0)).offset());
    }

    /** By the group's name until 3.x, by its metadata since 2.5. */
    private static void sendOffsets(KafkaProducer<String, String> p, Map<TopicPartition, OffsetAndMetadata> at, String group)
        throws Exception {
        try {
            Class<?> type = Class.forName("org.apache.kafka.clients.consumer.ConsumerGroupMetadata");
            p.getClass().getMethod("sendOffsetsToTransaction", Map.class, type).invoke(p, at, type.getConstructor(String.class).newInstance(group));
        } catch (ClassNotFoundException e) {
            p.getClass().getMethod("sendOffsetsToTransaction", Map.class, String.class).invoke(p, at, group);
        }
    }

    private void fencing() throws Exception {
        String t = topic("fencing", 1);
        try (KafkaProducer<String, String> old = producer("transactional.id", prefix + "fenced");
             KafkaProducer<String, String> young = producer("transactional.id", prefix + "fenced")) {
            old.initTransactions();
            old.beginTransaction();
            send(old, t, 0, 5);
            young.initTransactions(); // aborts what the old one had begun
            try {
                send(old, t, 5, 5);
                old.commitTransaction();
                throw new AssertionError("a zombie can write");
            } catch (ExecutionException | KafkaException e) { // the first one in newer clients, which would abort
                String why = e.toString();
                check(why.contains("InvalidProducerEpoch") || why.contains("ProducerFenced"), () -> why);
            }
            young.beginTransaction();
            send(young, t, 10, 5);
            young.commitTransaction();
        }
        same(numbers("v", 10, 5), values(readAll(t, 1, "isolation.level", "read_committed")));
    }

    public static void main(String[] args) {
        Client c = new Client(args);
        Properties p = new Properties();
        p.putAll(c.config());
        c.admin = AdminClient.create(p);
        c.step("topics", c::topics);
        c.step("cluster", c::cluster);
        c.step("codecs", c::codecs);
        c.step("records", c::records);
        c.step("idempotence", c::idempotence);
        c.step("times", c::times);
        c.step("group", () -> c.group());
        c.step("group, by turns",
            () -> c.group("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RoundRobinAssignor"));
        c.step("committed", c::committed);
        c.step("transactions", c::transactions);
        c.step("offsets in transactions", c::offsetsInTransactions);
        c.step("fencing", c::fencing);
        c.end();
    }
}
