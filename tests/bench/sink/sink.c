/*
 * The log -> bronze benchmark's two processes of ours.
 *
 *   sink serve DIR TOPIC IN.ndjson   the broker inside, with IN's lines in TOPIC; prints "READY HOST:PORT", ends when
 * its input does sink run PROJECT URL DIR FLUSH   the bronze sink of PROJECT (one domain), FLUSH records a file, from
 * the topic's beginning to its end; prints how long it took from its start until the last offset was committed
 */
#include "broker/broker.h"
#include "conf/conf.h"
#include "stage/stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PARTITIONS 6

static void check(enum ig_code rc, const struct error *err)
{
    if (rc) {
        fprintf(stderr, "sink: %s\n", err->msg);
        exit(1);
    }
}

static void fill_topic(struct env *env, const char *url, const char *topic, const char *path)
{
    const struct log_topic_spec spec = {.name = topic, .partitions = PARTITIONS, .retention_ms = -1};
    const int64_t begun_us = env_monotonic_us(env);
    struct log_producer *producer;
    struct log_client *client;
    struct error err = {0};
    FILE *in = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    int64_t count = 0, bytes = 0;
    double seconds;

    if (!in) {
        perror(path);
        exit(1);
    }
    check(log_client_new(env, url, &client, &err), &err);
    check(log_topic_ensure(client, &spec, &err), &err);
    check(log_producer_new(client, NULL, NULL, &producer, &err), &err);
    while ((n = getline(&line, &cap, in)) > 0) {
        struct log_record r = {.topic = topic, .partition = (int32_t)(count / 1000 % PARTITIONS)};

        r.value = (struct str){line, (size_t)n - (line[n - 1] == '\n')};
        check(log_produce(producer, &r, NULL, &err), &err);
        count++;
        bytes += n;
    }
    check(log_producer_flush(producer, -1, &err), &err);
    seconds = (double)(env_monotonic_us(env) - begun_us) / 1e6;
    printf("LOADED n=%lld %.2fs %.0f records/s %.0f MB/s (acknowledged: on the disk)\n", (long long)count, seconds,
           (double)count / seconds, (double)bytes / 1e6 / seconds);
    log_producer_free(producer);
    log_client_free(client);
    free(line);
    fclose(in);
}

static int serve(struct env *env, char **argv)
{
    const struct broker_options options = {.dir = argv[2], .host = "127.0.0.1"};
    struct broker *broker;
    struct error err = {0};
    char url[64], ignored[256];

    check(broker_start(env, &options, &broker, &err), &err);
    snprintf(url, sizeof(url), "kafka://127.0.0.1:%d", broker_port(broker));
    fill_topic(env, url, argv[3], argv[4]);
    printf("READY %s\n", url + strlen("kafka://"));
    fflush(stdout);
    while (fgets(ignored, sizeof(ignored), stdin))
        ;
    broker_stop(broker);
    return 0;
}

/* The sink's group has read nothing yet. */
static void forget_offsets(struct log_client *client, const char *topic)
{
    struct log_consumer *k;
    struct error err = {0};

    check(log_consumer_new(client, "s3-sink-consumer", &k, &err), &err);
    for (int32_t p = 0; p < PARTITIONS; p++) {
        const struct log_position start = {topic, p, 0};

        check(log_consumer_assign(k, topic, p, 0, &err), &err);
        check(log_consumer_commit(k, &start, 1, &err), &err);
    }
    log_consumer_free(k);
}

static int run(struct env *env, char **argv)
{
    struct stage_sink_progress progress;
    struct conf_problems problems = {0};
    struct stage_context x = {.env = env};
    struct stage_sink *sink;
    struct conf *conf;
    struct error err = {0};
    int64_t begun_us;
    double seconds;

    check(conf_load(env, argv[2], &conf, &problems, &err), &err);
    conf->domains[0].bronze.flush_records = strtoll(argv[5], NULL, 10);
    x.conf = conf;
    check(store_open(env, argv[4], &x.store, &err), &err);
    check(log_client_new(env, argv[3], &x.log, &err), &err);
    forget_offsets(x.log, conf->domains[0].topic.name);
    begun_us = env_monotonic_us(env);
    check(stage_sink_start(&x, &sink, &err), &err);
    check(stage_sink_drain(sink, 600000, &err), &err);
    seconds = (double)(env_monotonic_us(env) - begun_us) / 1e6;
    stage_sink_progress(sink, &progress);
    check(stage_sink_stop(sink, &err), &err);
    progress.records += progress.dead_letters;
    printf("ingot sink batch=%s n=%lld bad=%lld files=%lld bytes=%lld %.2fs %.0f events/s\n", argv[5],
           (long long)progress.records, (long long)progress.dead_letters, (long long)progress.files,
           (long long)progress.bytes, seconds, (double)progress.records / seconds);
    log_client_free(x.log);
    store_free(x.store);
    conf_free(conf);
    return 0;
}

int main(int argc, char **argv)
{
    struct env *env = env_real_new();
    int rc = 2;

    if (argc == 5 && strcmp(argv[1], "serve") == 0)
        rc = serve(env, argv);
    else if (argc == 6 && strcmp(argv[1], "run") == 0)
        rc = run(env, argv);
    else
        fprintf(stderr, "usage: sink serve DIR TOPIC IN.ndjson | sink run PROJECT URL DIR FLUSH\n");
    env_real_free(env);
    return rc;
}
