/* Starting and stopping. */
#include "broker/conn.h"
#include "broker/fetch_session.h"
#include "broker/partition_jobs.h"

#include <stdio.h>
#include <stdlib.h>

#define OPEN_FILES_MAX 256
#define SYNC_THREADS 4
#define MAKING_THREADS 4
#define TICK_MS 100
#define FSYNC_INTERVAL_DEFAULT_MS 1000
#define CLEANER_BYTES_DEFAULT ((int64_t)16 << 20)
#define CLEANER_BYTES_PER_S_DEFAULT ((int64_t)64 << 20)
#define CLEANER_BACKOFF_DEFAULT_MS 5000
#define CONNECTIONS_DEFAULT 4096
#define QUEUED_BYTES_DEFAULT ((int64_t)64 << 20)
#define IDLE_MS_DEFAULT 600000
#define AUTHENTICATION_MS_DEFAULT 10000
#define AUTHENTICATION_DELAY_MS_DEFAULT 100
#define RETENTION_EVERY_MS 10000
#define CONNS_EVERY_MS 500
#define REFRESH_EVERY_MS 2000 /* a renewed certificate is seen so soon */
#define STOP_STEP_MS 2
#define STOP_PATIENCE_MS 3000 /* for clients that do not take their answers */

static enum ig_code join_path(const struct broker *b, const char *name, char out[4096], struct error *err)
{
    if ((size_t)snprintf(out, 4096, "%s/%s", b->dir, name) >= 3500)
        return error_set(err, IG_INVALID, "%s is too long a path", b->dir);
    return IG_OK;
}

/* The lock is held as long as its file is open. */
static enum ig_code lock_dir(struct broker *b, struct error *err)
{
    char path[4096];

    IG_TRY(env_make_dirs(b->env, b->dir, err));
    IG_TRY(join_path(b, "lock", path, err));
    IG_TRY(env_open(b->env, path, ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, &b->lock, err));
    return env_lock(b->env, b->lock, err);
}

static enum ig_code read_cluster_id(struct broker *b, struct error *err)
{
    char path[4096];
    struct buf text;
    enum ig_code rc;

    IG_TRY(join_path(b, "cluster-id", path, err));
    buf_init(&text, 64);
    rc = env_read_file(b->env, path, &text, err);
    if (rc == IG_NOT_FOUND) {
        env_uuid(b->env, b->cluster_id);
        rc = env_replace_file(b->env, path, str_of(b->cluster_id), err);
    } else if (!rc && text.n == sizeof(b->cluster_id) - 1) {
        memcpy(b->cluster_id, buf_cstr(&text), sizeof(b->cluster_id));
    } else if (!rc) {
        rc = error_set(err, IG_CORRUPT, "%s holds no cluster id", path);
    }
    buf_release(&text);
    return rc;
}

static void set_defaults(struct broker_options *o)
{
    if (o->segment_bytes <= 0)
        o->segment_bytes = SEGMENT_BYTES_DEFAULT;
    if (o->group_min_session_ms <= 0)
        o->group_min_session_ms = GROUP_SESSION_MIN_DEFAULT_MS;
    if (o->group_max_session_ms <= 0)
        o->group_max_session_ms = GROUP_SESSION_MAX_DEFAULT_MS;
    if (o->offsets_retention_ms <= 0)
        o->offsets_retention_ms = OFFSETS_RETENTION_DEFAULT_MS;
    if (o->max_request_bytes <= 0)
        o->max_request_bytes = REQUEST_BYTES_DEFAULT;
    if (o->max_message_bytes <= 0)
        o->max_message_bytes = MESSAGE_BYTES_DEFAULT;
    if (o->fsync_interval_ms <= 0)
        o->fsync_interval_ms = FSYNC_INTERVAL_DEFAULT_MS;
    if (o->cleaner_bytes <= 0)
        o->cleaner_bytes = CLEANER_BYTES_DEFAULT;
    if (o->cleaner_bytes_per_s <= 0)
        o->cleaner_bytes_per_s = CLEANER_BYTES_PER_S_DEFAULT;
    if (o->cleaner_backoff_ms <= 0)
        o->cleaner_backoff_ms = CLEANER_BACKOFF_DEFAULT_MS;
    if (!o->host || !*o->host)
        o->host = "127.0.0.1";
    if (o->connections <= 0)
        o->connections = CONNECTIONS_DEFAULT;
    if (o->memory_bytes <= 0)
        o->memory_bytes = MEMORY_BYTES_DEFAULT;
    if (o->queued_bytes <= 0)
        o->queued_bytes = QUEUED_BYTES_DEFAULT;
    if (o->idle_ms <= 0)
        o->idle_ms = IDLE_MS_DEFAULT;
    if (o->authentication_ms <= 0)
        o->authentication_ms = AUTHENTICATION_MS_DEFAULT;
    if (o->authentication_delay_ms <= 0)
        o->authentication_delay_ms = AUTHENTICATION_DELAY_MS_DEFAULT;
}

/* Does anybody log in by SCRAM, so that passwords are to be derived? */
static bool offers_scram(const struct conf_broker *conf)
{
    for (size_t i = 0; conf && i < conf->n_listeners; i++) {
        const struct conf_listener *l = &conf->listeners[i];

        if (l->protocol != CONF_SASL_PLAINTEXT && l->protocol != CONF_SASL_SSL)
            continue;
        for (size_t k = 0; k < l->n_mechanisms; k++) {
            if (strncmp(l->mechanisms[k], "SCRAM", 5) == 0)
                return true;
        }
        if (l->n_mechanisms == 0)
            return true;
    }
    return false;
}

static enum ig_code open_data(struct broker *b, struct error *err)
{
    char path[4096];

    IG_TRY(lock_dir(b, err));
    IG_TRY(read_cluster_id(b, err));
    IG_TRY(join_path(b, "durable", path, err));
    IG_TRY(marks_open(b->env, path, &b->marks, err));
    IG_TRY(env_loop_new(b->env, &b->loop, err));
    IG_TRY(sync_pool_new(b->env, b->loop, SYNC_THREADS, &b->syncs, err));
    IG_TRY(sync_pool_new(b->env, b->loop, 1, &b->admin, err));
    IG_TRY(sync_pool_new(b->env, b->loop, MAKING_THREADS, &b->making, err));
    IG_TRY(sync_pool_new(b->env, b->loop, 1, &b->slow, err));
    b->cleaner = cleaner_new(b);
    IG_TRY(security_open(b->env, b->dir, b->options.conf, offers_scram(b->options.conf), &b->security, err));
    IG_TRY(groups_open(b, &b->groups, err));
    IG_TRY(txns_open(b, &b->txns, err));
    IG_TRY(topics_open(b, &b->topics, err));
    return marks_begin(b->marks, err);
}

static void tick(void *arg)
{
    struct broker *b = arg;
    const int64_t now_ms = env_monotonic_ms(b->env);

    b->tick = NULL;
    if (now_ms - b->last_conns_ms >= CONNS_EVERY_MS) {
        b->last_conns_ms = now_ms;
        conns_tick(b);
    }
    if (now_ms - b->last_refresh_ms >= REFRESH_EVERY_MS) {
        b->last_refresh_ms = now_ms;
        listeners_refresh(b);
    }
    marks_retry(b->marks);
    groups_tick(b->groups);
    txns_tick(b->txns);
    partitions_tick(b);
    cleaner_tick(b->cleaner);
    if (now_ms - b->last_retention_ms >= RETENTION_EVERY_MS) {
        b->last_retention_ms = now_ms;
        topics_retain(b->topics);
    }
    if (b->loop->ops->timer(b->loop, TICK_MS, tick, b, &b->tick))
        log_error(b->env, "broker", "there is no timer: groups and retention stand still");
}

static void run(void *arg)
{
    struct broker *b = arg;

    b->loop->ops->run(b->loop);
}

static enum ig_code listen_and_run(struct broker *b, struct error *err)
{
    IG_TRY(listeners_open(b, err));
    b->last_retention_ms = b->last_conns_ms = b->last_refresh_ms = env_monotonic_ms(b->env);
    IG_TRY(b->loop->ops->timer(b->loop, TICK_MS, tick, b, &b->tick));
    return env_spawn(b->env, "broker", run, b, &b->thread, err);
}

static void broker_free(struct broker *b)
{
    sync_pool_free(b->slow);
    sync_pool_free(b->making);
    sync_pool_free(b->admin);
    sync_pool_free(b->syncs);
    if (b->loop)
        b->loop->ops->free(b->loop);
    listeners_free(b);
    security_close(b->security);
    fetch_sessions_free(b->fetch_sessions);
    txns_close(b->txns);
    groups_close(b->groups);
    topics_close(b->topics);
    cleaner_free(b->cleaner);
    marks_close(b->marks);
    files_free(b->files);
    env_close(b->env, b->lock);
    free(b->dir);
    free(b);
}

enum ig_code broker_start(struct env *env, const struct broker_options *options, struct broker **out, struct error *err)
{
    struct broker *b = check_calloc(1, sizeof(*b));
    enum ig_code rc;

    b->env = env;
    b->options = *options;
    b->dir = check_strdup(options->dir);
    b->options.dir = b->dir;
    set_defaults(&b->options);
    b->fetch_sessions = fetch_sessions_new(b);
    b->files = files_new(env, OPEN_FILES_MAX);
    rc = open_data(b, err);
    if (!rc)
        rc = listen_and_run(b, err);
    if (rc) {
        broker_free(b);
        return error_context(err, rc, "start the log in %s", options->dir);
    }
    *out = b;
    return IG_OK;
}

int broker_port(const struct broker *b)
{
    return b->listeners.p[0]->port;
}

int broker_listener_port(const struct broker *b, size_t i)
{
    return b->listeners.p[i]->port;
}

/* --- stopping: in steps on the loop, until nothing is under way --------------------------------------------------- */

struct stopping {
    struct broker *b;
    int64_t until_ms;
};

static void stop_step(void *arg)
{
    struct stopping *s = arg;
    struct broker *b = s->b;

    if (b->syncs_running > 0 || (!conns_are_quiet(b) && env_monotonic_ms(b->env) < s->until_ms)) {
        if (b->loop->ops->timer(b->loop, STOP_STEP_MS, stop_step, s, NULL) == IG_OK)
            return;
    }
    b->loop->ops->stop(b->loop);
}

static void stop_begin(void *arg)
{
    struct stopping *s = arg;
    struct broker *b = s->b;

    b->stopping = true;
    listeners_close(b);
    if (b->tick)
        b->loop->ops->cancel(b->loop, b->tick);
    cleaner_cancel(b->cleaner, NULL);
    conns_stop(b);
    stop_step(s);
}

void broker_stop(struct broker *b)
{
    struct stopping s = {b, 0};

    if (!b)
        return;
    s.until_ms = env_monotonic_ms(b->env) + STOP_PATIENCE_MS;
    b->loop->ops->post(b->loop, stop_begin, &s);
    env_join(b->env, b->thread);
    broker_free(b);
}
