/*
 * Who owns the log. The owner holds a lock on data/ingot.lock, which the kernel releases when the process dies, however
 * it dies; data/endpoint.json is only believed while somebody holds that lock.
 */
#include "platform/platform_internal.h"

#include <stdio.h>
#include <unistd.h>

/* A command other than `up` owns the log for a moment; so long another one waits for it. */
#define OWNER_WAIT_MS 60000
#define OWNER_POLL_MS 50

enum ig_code platform_lock(struct env *env, const struct conf *conf, const char *name, struct env_file **out,
                           struct error *err)
{
    struct buf path;
    *out = NULL;
    buf_init(&path, 0);
    buf_printf(&path, "%s/%s.lock", conf->data_dir, name);
    enum ig_code rc = env_make_dirs(env, conf->data_dir, err);
    if (rc == IG_OK)
        rc = env_open(env, buf_cstr(&path), ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE, out, err);
    if (rc == IG_OK)
        rc = env_lock(env, *out, err);
    if (rc != IG_OK) {
        env_close(env, *out);
        *out = NULL;
    }
    buf_release(&path);
    return rc;
}

/* --- the endpoint file ---------------------------------------------------------------------------------- */

static void endpoint_path(const struct conf *conf, struct buf *path)
{
    buf_init(path, 0);
    buf_printf(path, "%s/endpoint.json", conf->data_dir);
}

static enum ig_code read_endpoint(struct env *env, const struct conf *conf, struct platform_endpoint *out,
                                  struct error *err)
{
    struct buf path, text, bootstrap, client;
    struct json_value serving = {0};
    endpoint_path(conf, &path);
    buf_init(&text, 4096);
    buf_init(&bootstrap, sizeof(out->bootstrap) - 1);
    buf_init(&client, sizeof(out->client) - 1);
    enum ig_code rc = env_read_file(env, buf_cstr(&path), &text, err);
    if (rc == IG_OK && (!json_member_string(buf_str(&text), "bootstrap", &bootstrap) ||
                        !json_member_int64(buf_str(&text), "pid", &out->pid) || bootstrap.overflow ||
                        !json_member(buf_str(&text), "serving", &serving)))
        rc = error_set(err, IG_CORRUPT, "%s is not what ingot writes", buf_cstr(&path));
    if (rc == IG_OK) {
        (void)snprintf(out->bootstrap, sizeof(out->bootstrap), "%s", buf_cstr(&bootstrap));
        out->serving = serving.type == JSON_TRUE;
        if (json_member_string(buf_str(&text), "client", &client))
            (void)snprintf(out->client, sizeof(out->client), "%s", buf_cstr(&client));
    }
    buf_release(&client);
    buf_release(&bootstrap);
    buf_release(&text);
    buf_release(&path);
    return rc;
}

static enum ig_code write_endpoint(struct platform *p, struct error *err)
{
    struct buf path, text;
    endpoint_path(p->conf, &path);
    buf_init(&text, 0);
    buf_puts(&text, "{\"bootstrap\": ");
    json_add_string(&text, str_of(p->endpoint.bootstrap));
    if (p->endpoint.client[0]) {
        buf_puts(&text, ", \"client\": ");
        json_add_string(&text, str_of(p->endpoint.client));
    }
    buf_printf(&text, ", \"pid\": %lld, \"serving\": %s", (long long)p->endpoint.pid,
               p->endpoint.serving ? "true" : "false");
    if (p->serve) {
        const bool v6 = strchr(p->conf->http_host, ':') != NULL;

        buf_printf(&text, ", \"http\": \"http%s://%s%s%s:%d\"", p->conf->http.certificate ? "s" : "", v6 ? "[" : "",
                   p->conf->http_host, v6 ? "]" : "", serve_port(p->serve));
    }
    buf_puts(&text, "}\n");
    enum ig_code rc = p->endpoint.client[0] ? env_replace_private_file(p->env, buf_cstr(&path), buf_str(&text), err)
                                            : env_replace_file(p->env, buf_cstr(&path), buf_str(&text), err);
    buf_release(&text);
    buf_release(&path);
    return rc;
}

static void remove_endpoint(struct platform *p)
{
    struct buf path;
    endpoint_path(p->conf, &path);
    const enum ig_code rc = env_unlink(p->env, buf_cstr(&path), NULL);
    if (rc != IG_OK && rc != IG_NOT_FOUND)
        log_warn(p->env, "platform", "can not remove %s", buf_cstr(&path));
    buf_release(&path);
}

enum ig_code platform_endpoint(struct env *env, const struct conf *conf, struct platform_endpoint *out,
                               struct error *err)
{
    struct env_file *lock;
    *out = (struct platform_endpoint){0};
    enum ig_code rc = platform_lock(env, conf, "ingot", &lock, err);
    if (rc == IG_OK) {
        env_close(env, lock);
        return error_set(err, IG_NOT_FOUND, "nothing is up in %s", conf->root);
    }
    if (rc != IG_EXISTS)
        return rc;
    return read_endpoint(env, conf, out, err);
}

/* --- owning ---------------------------------------------------------------------------------------------- */

/* True when there is nothing more to wait for: we own the log, or `ingot up` does. */
static bool settle_owner(struct platform *p, enum ig_code *rc, struct error *err)
{
    *rc = platform_lock(p->env, p->conf, "ingot", &p->owner_lock, err);
    if (*rc != IG_EXISTS)
        return true;
    if (read_endpoint(p->env, p->conf, &p->endpoint, err) != IG_OK || !p->endpoint.serving)
        return false; /* it starts or ends just now, or is a command that will end */
    *rc = IG_OK;
    if (p->parts & PLATFORM_SERVING)
        *rc = error_set(err, IG_EXISTS, "ingot is up already in %s: process %lld, log at %s", p->conf->root,
                        (long long)p->endpoint.pid, p->endpoint.bootstrap);
    return true;
}

static enum ig_code find_owner(struct platform *p, struct error *err)
{
    const int64_t until_ms = env_monotonic_ms(p->env) + OWNER_WAIT_MS;
    enum ig_code rc;
    while (!settle_owner(p, &rc, err)) {
        if (env_monotonic_ms(p->env) > until_ms)
            return error_set(err, IG_UNAVAILABLE, "process %lld works with the log of %s and does not end",
                             (long long)p->endpoint.pid, p->conf->root);
        env_sleep_ms(p->env, OWNER_POLL_MS);
    }
    if (rc == IG_OK && p->owner_lock)
        remove_endpoint(p); /* of an owner that was killed: with our lock, others would believe it */
    return rc;
}

enum ig_code platform_open_log(struct platform *p, struct error *err)
{
    struct buf url;
    const bool inside = str_has_prefix(str_of(p->conf->log_url), "file:");
    IG_TRY(find_owner(p, err));
    if (inside && p->owner_lock)
        IG_TRY(platform_start_inside(p, err));
    buf_init(&url, 0);
    if (inside && p->endpoint.client[0])
        buf_puts(&url, p->endpoint.client);
    else if (inside)
        buf_printf(&url, "kafka://%s", p->endpoint.bootstrap);
    else
        buf_puts(&url, p->conf->log_url);
    enum ig_code rc = log_client_new(p->env, buf_cstr(&url), &p->log, err);
    buf_release(&url);
    if (rc == IG_OK && !inside && p->owner_lock)
        (void)snprintf(p->endpoint.bootstrap, sizeof(p->endpoint.bootstrap), "%s", log_client_bootstrap(p->log));
    return rc;
}

enum ig_code platform_announce(struct platform *p, struct error *err)
{
    p->endpoint.pid = getpid();
    p->endpoint.serving = p->parts & PLATFORM_SERVING;
    return write_endpoint(p, err);
}

void platform_close_log(struct platform *p)
{
    log_client_free(p->log);
    if (p->owner_lock)
        remove_endpoint(p);
    broker_stop(p->broker);
    env_close(p->env, p->owner_lock);
    p->log = NULL;
    p->broker = NULL;
    broker_door_free(p->door);
    p->door = NULL;
    p->owner_lock = NULL;
}
