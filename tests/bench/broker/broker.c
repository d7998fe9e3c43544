/*
 * A load on a Kafka broker, by librdkafka; prints one JSON object.
 *
 *   bench_broker produce HOST:PORT TOPIC COUNT SIZE PRODUCERS RATE [property=value...]
 *   bench_broker consume HOST:PORT TOPIC COUNT [property=value...]
 *
 * Each producer has a thread and a connection of its own. RATE: records a second of all together, 0: as many as go;
 * with a rate the time from the call to the acknowledgement is measured, record by record.
 */
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH 1000

struct load {
    const char *broker, *topic;
    long count;
    size_t size;
    double rate;
    char **properties;
    int n_properties;
};

struct producer {
    const struct load *load;
    pthread_t thread;
    long count, acked, failed;
    int64_t *latencies_ns; /* NULL: not measured; of the acknowledged ones, `acked` of them */
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_broker: %s: %s\n", what, why);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];

    if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        die(name, why);
}

static rd_kafka_conf_t *conf_of(const struct load *l)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();

    set(conf, "bootstrap.servers", l->broker);
    for (int i = 0; i < l->n_properties; i++) {
        char *eq = strchr(l->properties[i], '=');
        char name[128];

        if (!eq || (size_t)(eq - l->properties[i]) >= sizeof(name))
            die(l->properties[i], "want property=value");
        snprintf(name, sizeof(name), "%.*s", (int)(eq - l->properties[i]), l->properties[i]);
        set(conf, name, eq + 1);
    }
    return conf;
}

/* --- produce ---------------------------------------------------------------------------------------------------- */

static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
    struct producer *p = opaque;

    (void)rk;
    if (m->err) {
        p->failed++;
        return;
    }
    if (p->latencies_ns)
        p->latencies_ns[p->acked] = now_ns() - (int64_t)(intptr_t)m->_private;
    p->acked++;
}

static void wait_until(rd_kafka_t *rk, int64_t at_ns)
{
    for (int64_t left = at_ns - now_ns(); left > 0; left = at_ns - now_ns()) {
        const struct timespec pause = {0, left < 200000 ? left : 200000};

        (void)rd_kafka_poll(rk, 0);
        nanosleep(&pause, NULL);
    }
}

static void *produce(void *arg)
{
    struct producer *p = arg;
    const struct load *l = p->load;
    rd_kafka_conf_t *conf = conf_of(l);
    char why[256], *value = malloc(l->size + 1);
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    int64_t began;
    unsigned seed = 7;

    set(conf, "queue.buffering.max.messages", "1000000");
    set(conf, "queue.buffering.max.kbytes", "262144");
    rd_kafka_conf_set_opaque(conf, p);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
    if (!rk || !value)
        die("producer", why);
    topic = rd_kafka_topic_new(rk, l->topic, NULL);
    for (size_t i = 0; i < l->size; i++)
        value[i] = (char)('a' + rand_r(&seed) % 26);
    began = now_ns();
    for (long i = 0; i < p->count; i++) {
        const int64_t at = l->rate > 0 ? began + (int64_t)(1e9 * (double)i / l->rate) : 0;

        if (at)
            wait_until(rk, at);
        while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, value, l->size, NULL, 0,
                                (void *)(intptr_t)(p->latencies_ns ? now_ns() : 0)) == -1) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                die("produce", rd_kafka_err2str(rd_kafka_last_error()));
            (void)rd_kafka_poll(rk, 10);
        }
        if (i % 1024 == 0)
            (void)rd_kafka_poll(rk, 0);
    }
    (void)rd_kafka_flush(rk, 300000);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    free(value);
    return NULL;
}

static int by_time(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static void print_latencies(const struct producer *p)
{
    const double at[] = {0.5, 0.99, 0.999, 1};
    const char *const names[] = {"p50", "p99", "p999", "max"};

    qsort(p->latencies_ns, (size_t)p->acked, sizeof(*p->latencies_ns), by_time);
    for (size_t i = 0; i < 4 && p->acked > 0; i++) {
        const long k = (long)(at[i] * (double)p->acked);

        printf(", \"%s_ms\": %.3f", names[i], (double)p->latencies_ns[k < p->acked ? k : p->acked - 1] / 1e6);
    }
}

static int run_producers(struct load *l, int n)
{
    struct producer *all = calloc((size_t)n, sizeof(*all));
    const int64_t began = now_ns();
    long acked = 0, failed = 0;
    double seconds;

    if (!all)
        die("memory", "none");
    l->rate /= n;
    for (int i = 0; i < n; i++) {
        all[i].load = l;
        all[i].count = l->count / n;
        if (l->rate > 0)
            all[i].latencies_ns = calloc((size_t)all[i].count + 1, sizeof(int64_t));
        if (pthread_create(&all[i].thread, NULL, produce, &all[i]) != 0)
            die("thread", "can not be made");
    }
    for (int i = 0; i < n; i++) {
        pthread_join(all[i].thread, NULL);
        acked += all[i].acked;
        failed += all[i].failed;
    }
    seconds = (double)(now_ns() - began) / 1e9;
    printf("{\"records\": %ld, \"failed\": %ld, \"seconds\": %.3f, \"per_second\": %.0f, \"mb_per_second\": %.1f",
           acked, failed, seconds, (double)acked / seconds, (double)acked * (double)l->size / 1e6 / seconds);
    if (l->rate > 0)
        print_latencies(&all[0]);
    printf("}\n");
    for (int i = 0; i < n; i++)
        free(all[i].latencies_ns);
    free(all);
    return failed > 0;
}

/* --- consume ---------------------------------------------------------------------------------------------------- */

static void assign_all(rd_kafka_t *rk, const char *topic)
{
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
    const struct rd_kafka_metadata *md;
    rd_kafka_topic_partition_list_t *list;

    if (rd_kafka_metadata(rk, 0, t, &md, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR || md->topic_cnt != 1)
        die(topic, "no metadata");
    list = rd_kafka_topic_partition_list_new(md->topics[0].partition_cnt);
    for (int i = 0; i < md->topics[0].partition_cnt; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_metadata_destroy(md);
    rd_kafka_topic_destroy(t);
}

static int run_consumer(const struct load *l)
{
    rd_kafka_conf_t *conf = conf_of(l);
    rd_kafka_message_t *got[BATCH];
    rd_kafka_queue_t *queue;
    char why[256];
    rd_kafka_t *rk;
    long n = 0;
    double bytes = 0, seconds;
    int64_t began, first = 0;

    set(conf, "group.id", "bench");
    set(conf, "enable.auto.commit", "false");
    rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
    if (!rk)
        die("consumer", why);
    rd_kafka_poll_set_consumer(rk);
    began = now_ns();
    assign_all(rk, l->topic);
    queue = rd_kafka_queue_get_consumer(rk);
    while (n < l->count && now_ns() - began < 300000000000) {
        const ssize_t found = rd_kafka_consume_batch_queue(queue, 1000, got, BATCH);

        for (ssize_t i = 0; i < found; i++) {
            if (!got[i]->err) {
                if (n++ == 0)
                    first = now_ns();
                bytes += (double)got[i]->len;
            }
            rd_kafka_message_destroy(got[i]);
        }
    }
    seconds = (double)(now_ns() - first) / 1e9;
    printf("{\"records\": %ld, \"seconds\": %.3f, \"per_second\": %.0f, \"mb_per_second\": %.1f}\n", n, seconds,
           (double)n / seconds, bytes / 1e6 / seconds);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return n < l->count;
}

int main(int argc, char **argv)
{
    struct load l = {.broker = argc > 2 ? argv[2] : NULL, .topic = argc > 3 ? argv[3] : NULL};

    if (argc >= 8 && strcmp(argv[1], "produce") == 0) {
        l.count = atol(argv[4]);
        l.size = (size_t)atol(argv[5]);
        l.rate = atof(argv[7]);
        l.properties = argv + 8;
        l.n_properties = argc - 8;
        return run_producers(&l, atoi(argv[6]));
    }
    if (argc >= 5 && strcmp(argv[1], "consume") == 0) {
        l.count = atol(argv[4]);
        l.properties = argv + 5;
        l.n_properties = argc - 5;
        return run_consumer(&l);
    }
    fprintf(stderr, "usage: bench_broker produce HOST:PORT TOPIC COUNT SIZE PRODUCERS RATE [property=value...]\n"
                    "       bench_broker consume HOST:PORT TOPIC COUNT [property=value...]\n");
    return 2;
}
