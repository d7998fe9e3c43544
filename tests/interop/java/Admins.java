import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;

/** What clients since 3.7 can do besides; compiled against 3.7, run with 3.7 and 4. */
public final class Admins extends Steps {
    private final String prefix;
    private final Admin admin;

    private Admins(String[] args) {
        super(args);
        this.prefix = args[1];
        this.admin = Admin.create(config());
    }

    private String topic(String name, int partitions) throws Exception {
        admin.createTopics(Collections.singleton(new NewTopic(prefix + name, Optional.of(partitions), Optional.empty()))).all().get();
        return prefix + name;
    }

    private void topicIds() throws Exception {
        String t = topic("ids", 2);
        TopicDescription byName = admin.describeTopics(Collections.singleton(t)).topicNameValues().get(t).get();
        Uuid id = byName.topicId();
        TopicDescription byId = admin.describeTopics(TopicCollection.ofTopicIds(Collections.singleton(id))).topicIdValues().get(id).get();
        same(t, byId.name());
        check(byName.authorizedOperations() == null || !byName.authorizedOperations().isEmpty(), () -> byName);
        admin.deleteTopics(TopicCollection.ofTopicIds(Collections.singleton(id))).all().get();
        fails(ApiException.class, // UnknownTopicId; 3.7 makes InvalidTopic of it
            () -> admin.describeTopics(TopicCollection.ofTopicIds(Collections.singleton(id))).topicIdValues().get(id).get());
    }

    private void configs() throws Exception {
        String t = topic("configs", 1);
        ConfigResource r = new ConfigResource(ConfigResource.Type.TOPIC, t);
        Map<ConfigResource, Collection<AlterConfigOp>> set = Map.of(r, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "123456"), AlterConfigOp.OpType.SET),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)));
        admin.incrementalAlterConfigs(set).all().get();
        Config found = admin.describeConfigs(Set.of(r), new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true))
            .all().get().get(r);
        same("123456", found.get("retention.ms").value());
        same(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, found.get("retention.ms").source());
        same(ConfigEntry.ConfigType.LONG, found.get("retention.ms").type());
        check(!found.get("retention.ms").synonyms().isEmpty() && found.get("retention.ms").documentation() != null, () -> found);
        same(Set.of("compact", "delete"), new HashSet<>(Arrays.asList(found.get("cleanup.policy").value().split(","))));
        admin.incrementalAlterConfigs(Map.of(r, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", null), AlterConfigOp.OpType.DELETE),
            new AlterConfigOp(new ConfigEntry("cleanup.policy", "delete"), AlterConfigOp.OpType.SUBTRACT)))).all().get();
        Config then = admin.describeConfigs(Set.of(r)).all().get().get(r);
        check(then.get("retention.ms").isDefault(), () -> then.get("retention.ms"));
        same("compact", then.get("cleanup.policy").value());
        fails(InvalidConfigurationException.class, () -> admin.incrementalAlterConfigs(Map.of(r, List.of(
            new AlterConfigOp(new ConfigEntry("no.such.thing", "1"), AlterConfigOp.OpType.SET)))).all().get());
    }

    private void offsets() throws Exception {
        String t = topic("offsets", 1);
        TopicPartition p0 = new TopicPartition(t, 0);
        try (KafkaProducer<String, String> p = producer()) {
            for (int i = 0; i < 10; i++) p.send(new ProducerRecord<>(t, 0, 1_000_000L + (i == 4 ? 99 : i), "k", "v")).get();
        }
        same(0L, offset(p0, OffsetSpec.earliest()));
        same(10L, offset(p0, OffsetSpec.latest()));
        same(4L, offset(p0, OffsetSpec.maxTimestamp()));
        same(3L, offset(p0, OffsetSpec.forTimestamp(1_000_003)));
        same(-1L, offset(p0, OffsetSpec.forTimestamp(2_000_000)));
    }

    private long offset(TopicPartition p, OffsetSpec spec) throws Exception {
        ListOffsetsResultInfo found = admin.listOffsets(Map.of(p, spec)).partitionResult(p).get();
        return found.offset();
    }

    /** Consumers that own partitions until they are closed; `moved` counts the partitions that were taken from one. */
    private final class Member implements AutoCloseable {
        final Set<TopicPartition> owned = ConcurrentHashMap.newKeySet();
        volatile int moved;
        private final KafkaConsumer<String, String> c;
        private final Thread thread;
        private volatile boolean ending;
        private volatile Throwable failure;

        Member(String t, Object... pairs) {
            c = consumer(pairs);
            c.subscribe(Set.of(t), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> gone) {
                    moved += gone.size();
                    owned.removeAll(gone);
                }

                @Override
                public void onPartitionsLost(Collection<TopicPartition> gone) {
                    owned.removeAll(gone);
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> come) {
                    owned.addAll(come);
                }
            });
            thread = new Thread(() -> {
                try {
                    while (!ending) {
                        for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(50))) r.value();
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

    private Member cooperative(String t, String g) {
        return new Member(t, "group.id", g, "heartbeat.interval.ms", 200,
            "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
    }

    private void cooperative() throws Exception {
        String t = topic("cooperative", 6);
        String g = prefix + "cooperative";
        try (Member a = cooperative(t, g)) {
            waitFor("a to have all", () -> a.owned.size() == 6);
            try (Member b = cooperative(t, g); Member c = cooperative(t, g)) {
                waitFor("two each", () -> a.owned.size() == 2 && b.owned.size() == 2 && c.owned.size() == 2);
                same(4, a.moved); // and never the two that it kept
            }
            waitFor("a to have all again", () -> a.owned.size() == 6);
            same(4, a.moved);
        }
    }

    private Member fixed(String t, String g, String id) {
        return new Member(t, "group.id", g, "group.instance.id", id, "session.timeout.ms", 30000, "heartbeat.interval.ms", 200);
    }

    private void staticMembers() throws Exception {
        String t = topic("static", 4);
        String g = prefix + "static";
        Set<TopicPartition> ofA;
        try (Member b = fixed(t, g, "b")) {
            try (Member a = fixed(t, g, "a")) {
                waitFor("two each", () -> a.owned.size() == 2 && b.owned.size() == 2);
                ofA = new HashSet<>(a.owned);
            }
            int moved = b.moved;
            Thread.sleep(1500); // a is gone, but its place is kept
            same(2, b.owned.size());
            try (Member again = fixed(t, g, "a")) {
                waitFor("its partitions", () -> again.owned.equals(ofA));
                same(moved, b.moved);
                ConsumerGroupDescription d = admin.describeConsumerGroups(Set.of(g)).describedGroups().get(g).get();
                Set<String> ids = new HashSet<>();
                d.members().forEach(m -> ids.add(m.groupInstanceId().get()));
                same(Set.of("a", "b"), ids);
            }
            admin.removeMembersFromConsumerGroup(g, new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("a")))).all().get();
            waitFor("b to have all", () -> b.owned.size() == 4);
        }
        admin.removeMembersFromConsumerGroup(g, new RemoveMembersFromConsumerGroupOptions()).all().get();
        same("Empty", admin.describeConsumerGroups(Set.of(g)).describedGroups().get(g).get().state().toString());
    }

    private void groupOffsets() throws Exception {
        String t = topic("group-offsets", 2);
        String g = prefix + "group-offsets";
        TopicPartition p0 = new TopicPartition(t, 0);
        TopicPartition p1 = new TopicPartition(t, 1);
        admin.alterConsumerGroupOffsets(g, Map.of(p0, new OffsetAndMetadata(7), p1, new OffsetAndMetadata(8))).all().get();
        same(7L, admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata().get().get(p0).offset());
        check(admin.listConsumerGroups(new ListConsumerGroupsOptions()).all().get().stream().anyMatch(x -> x.groupId().equals(g)),
            () -> "not listed");
        admin.deleteConsumerGroupOffsets(g, Set.of(p0)).all().get();
        same(Set.of(p1), admin.listConsumerGroupOffsets(g).partitionsToOffsetAndMetadata().get().keySet());
        try (Member m = new Member(t, "group.id", g)) {
            waitFor("partitions", () -> m.owned.size() == 2);
            fails(GroupSubscribedToTopicException.class,
                () -> admin.deleteConsumerGroupOffsets(g, Set.of(p1)).partitionResult(p1).get());
        }
        admin.deleteConsumerGroups(Set.of(g)).all().get();
    }

    private void elections() throws Exception {
        String t = topic("elections", 1);
        TopicPartition p0 = new TopicPartition(t, 0);
        Optional<Throwable> found = admin.electLeaders(ElectionType.PREFERRED, Set.of(p0)).partitions().get().get(p0);
        check(found.isPresent() && found.get() instanceof ElectionNotNeededException, () -> found);
        same(Map.of(), admin.listPartitionReassignments(Set.of(p0)).reassignments().get());
    }

    private void transactions() throws Exception {
        String t = topic("transactions", 1);
        String id = prefix + "tx";
        TopicPartition p0 = new TopicPartition(t, 0);
        fails(TransactionalIdNotFoundException.class, () -> admin.describeTransactions(Set.of(prefix + "none")).description(prefix + "none").get());
        try (KafkaProducer<String, String> p = producer("transactional.id", id, "transaction.timeout.ms", 50000)) {
            p.initTransactions();
            p.beginTransaction();
            send(p, t, 0, 3);
            TransactionDescription d = admin.describeTransactions(Set.of(id)).description(id).get();
            same(TransactionState.ONGOING, d.state());
            same(50000L, d.transactionTimeoutMs());
            same(Set.of(p0), d.topicPartitions());
            TransactionListing found = admin.listTransactions().all().get().stream()
                .filter(x -> x.transactionalId().equals(id)).findAny().get();
            same(TransactionState.ONGOING, found.state());
            List<ProducerState> states = admin.describeProducers(Set.of(p0)).partitionResult(p0).get().activeProducers();
            same(1, states.size());
            ProducerState s = states.get(0);
            same(d.producerId(), s.producerId());
            same(0L, s.currentTransactionStartOffset().getAsLong());
            same(2, s.lastSequence());
            // An operator ends a transaction that hangs.
            admin.abortTransaction(new AbortTransactionSpec(p0, s.producerId(), (short) s.producerEpoch(),
                s.coordinatorEpoch().orElse(0))).all().get();
            waitFor("the transaction to end there", () -> {
                try {
                    return admin.describeProducers(Set.of(p0)).partitionResult(p0).get().activeProducers().stream()
                        .noneMatch(x -> x.currentTransactionStartOffset().isPresent());
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            });
            p.abortTransaction();
            p.beginTransaction();
            send(p, t, 10, 1);
            admin.fenceProducers(Set.of(id)).all().get();
            try {
                send(p, t, 11, 1);
                p.commitTransaction();
                throw new AssertionError("a fenced producer can write");
            } catch (Exception e) {
                check(e.toString().contains("Fenced") || e.toString().contains("InvalidProducerEpoch"), () -> e);
            }
        }
        same(0, readAll(t, 1, "isolation.level", "read_committed").size());
    }

    private void users() throws Exception {
        String user = prefix + "user";
        admin.alterUserScramCredentials(List.of(
            new UserScramCredentialUpsertion(user, new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096), "secret"))).all().get();
        same(4096, admin.describeUserScramCredentials(List.of(user)).description(user).get().credentialInfos().get(0).iterations());
        admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_256))).all().get();
        check(!admin.describeUserScramCredentials().users().get().contains(user), () -> "still there");
    }

    private void quotas() throws Exception {
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, prefix + "user"));
        ClientQuotaFilter filter = ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.USER, prefix + "user")));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity,
            List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6))))).all().get();
        waitFor("the quota", () -> {
            try {
                return Map.of(entity, Map.of("producer_byte_rate", 1e6)).equals(admin.describeClientQuotas(filter).entities().get());
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity,
            List.of(new ClientQuotaAlteration.Op("producer_byte_rate", null))))).all().get();
        waitFor("no quota", () -> {
            try {
                return admin.describeClientQuotas(filter).entities().get().isEmpty();
            } catch (Exception e) {
                throw new AssertionError(e);
            }
        });
    }

    private void noSecurity() throws Exception {
        fails(SecurityDisabledException.class, () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
    }

    public static void main(String[] args) {
        Admins a = new Admins(args);
        a.step("topic ids", a::topicIds);
        a.step("configs", a::configs);
        a.step("offsets", a::offsets);
        a.step("cooperative", a::cooperative);
        a.step("static members", a::staticMembers);
        a.step("group offsets", a::groupOffsets);
        a.step("elections", a::elections);
        a.step("transactions", a::transactions);
        a.step("users", a::users);
        a.step("quotas", a::quotas);
        a.step("no security", a::noSecurity);
        a.end();
    }
}
