import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What the client programs share: each is a list of named steps, and prints for each one `ok NAME` or why not. */
abstract class Steps {
    interface Step {
        void run() throws Exception;
    }

    final String bootstrap;
    private final List<String> leftOut;
    private int failures;

    /** Arguments: HOST:PORT, a prefix of names, steps that are left out. */
    Steps(String[] args) {
        bootstrap = args[0];
        leftOut = Arrays.asList(args).subList(2, args.length);
    }

    void step(String name, Step step) {
        if (leftOut.contains(name)) return;
        try {
            step.run();
            System.out.println("ok " + name);
        } catch (Throwable e) {
            StringWriter text = new StringWriter();
            e.printStackTrace(new PrintWriter(text));
            System.out.println("FAILED " + name + ": " + text);
            failures++;
        }
    }

    void end() {
        System.out.println(failures + " failed");
        System.out.flush();
        Runtime.getRuntime().halt(failures == 0 ? 0 : 1);
    }

    static void check(boolean holds, Supplier<Object> otherwise) {
        if (!holds) throw new AssertionError(otherwise.get());
    }

    static void same(Object want, Object found) {
        check(want.equals(found), () -> "want " + want + ", found " + found);
    }

    /** The step must fail with an exception of this kind, maybe inside of an ExecutionException. */
    static void fails(Class<? extends Throwable> kind, Step step) throws Exception {
        try {
            step.run();
        } catch (ExecutionException e) {
            if (kind.isInstance(e.getCause())) return;
            throw e;
        } catch (Exception e) {
            if (kind.isInstance(e) || kind.isInstance(e.getCause())) return;
            throw e;
        }
        throw new AssertionError("no " + kind.getSimpleName());
    }

    static void waitFor(String what, BooleanSupplier holds) {
        long until = System.nanoTime() + 30_000_000_000L;
        while (!holds.getAsBoolean()) {
            check(System.nanoTime() < until, () -> "waited 30 s for " + what);
            try {
                Thread.sleep(20);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }

    Map<String, Object> config(Object... pairs) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) all.put((String) pairs[i], pairs[i + 1]);
        return all;
    }

    KafkaProducer<String, String> producer(Object... pairs) {
        return new KafkaProducer<>(config(pairs), new StringSerializer(), new StringSerializer());
    }

    KafkaConsumer<String, String> consumer(Object... pairs) {
        Map<String, Object> all = config("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        all.putAll(config(pairs));
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    /** Sends n records with keys and values FROM.. and waits for them. */
    List<RecordMetadata> send(KafkaProducer<String, String> p, String topic, int from, int n) throws Exception {
        List<java.util.concurrent.Future<RecordMetadata>> waiting = new ArrayList<>();
        for (int i = from; i < from + n; i++)
            waiting.add(p.send(new ProducerRecord<>(topic, null, null, "k" + i, "v" + i)));
        List<RecordMetadata> found = new ArrayList<>();
        for (java.util.concurrent.Future<RecordMetadata> f : waiting) found.add(f.get());
        return found;
    }

    static List<TopicPartition> partitions(String topic, int n) {
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < n; i++) all.add(new TopicPartition(topic, i));
        return all;
    }

    /** Everything from the first record to the ends of this moment, by partition. */
    List<ConsumerRecord<String, String>> readAll(String topic, int n, Object... pairs) {
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        try (KafkaConsumer<String, String> c = consumer(pairs)) {
            List<TopicPartition> all = partitions(topic, n);
            c.assign(all);
            c.seekToBeginning(all);
            Map<TopicPartition, Long> ends = c.endOffsets(all);
            long until = System.nanoTime() + 30_000_000_000L;
            while (ends.entrySet().stream().anyMatch(e -> c.position(e.getKey()) < e.getValue())) {
                check(System.nanoTime() < until, () -> "not at " + ends + " but has " + found.size() + " records");
                for (ConsumerRecord<String, String> r : c.poll(Duration.ofMillis(200))) found.add(r);
            }
        }
        return found;
    }

    static Set<String> values(Collection<ConsumerRecord<String, String>> records) {
        Set<String> all = new TreeSet<>();
        for (ConsumerRecord<String, String> r : records)
            check(all.add(r.value()), () -> r.value() + " is there twice");
        return all;
    }

    static Set<String> numbers(String prefix, int from, int n) {
        Set<String> all = new TreeSet<>();
        for (int i = from; i < from + n; i++) all.add(prefix + i);
        return all;
    }

    static <K extends Comparable<K>, V> Map<K, V> sorted(Map<K, V> map) {
        return new TreeMap<>(map);
    }
}
