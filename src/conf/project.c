/* ingot.yml, .env, and the way through a project's files. */
#include "conf/keys.h"

#include "conf/problems.h"

#include <errno.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)1 << 20)

static const char *const logging_words[] = {"text", "json", NULL};

static const struct key project_keys[] = {
    {.name = "name", .kind = KEY_TEXT, .at = offsetof(struct conf, name)},
    {.name = "log", .kind = KEY_TEXT, .at = offsetof(struct conf, log_url), .default_text = "file:./data/log"},
    {.name = "store", .kind = KEY_TEXT, .at = offsetof(struct conf, store_url), .default_text = "file:./data/lake"},
    {.name = "warehouse",
     .kind = KEY_TEXT,
     .at = offsetof(struct conf, warehouse_url),
     .default_text = "duckdb:./data/warehouse.duckdb"},
    {.name = "registry", .kind = KEY_TEXT, .at = offsetof(struct conf, registry_url), .default_text = "inside"},
    {.name = "engine"},
    {.name = "listen"},
    {.name = "http"},
    {.name = "broker"},
    {.name = "topics"},
    {.name = "resources"},
    {.name = "process"},
    {.name = "logging"},
};
const struct key_table conf_project_table = {project_keys, IG_COUNT(project_keys)};

static const struct key resources_keys[] = {
    {.name = "memory",
     .kind = KEY_BYTES,
     .at = offsetof(struct conf, memory_bytes),
     .default_text = "512MB",
     .min = INT64_C(64) << 20,
     .max = INT64_C(64) << 40},
    {.name = "threads", .kind = KEY_INT32, .at = offsetof(struct conf, threads), .default_text = "0", .max = 1024},
};
const struct key_table conf_resources_table = {resources_keys, IG_COUNT(resources_keys)};

static const struct key process_keys[] = {
    {.name = "every",
     .kind = KEY_DURATION,
     .at = offsetof(struct conf, process_interval_ms),
     .default_text = "60s",
     .max = INT64_C(365) * 86400000},
};
const struct key_table conf_process_table = {process_keys, IG_COUNT(process_keys)};

/* --- what all readers use --------------------------------------------------------------------------------------- */

void load_problem(struct load *l, const struct node *at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    problems_addv(l->problems, at->file, at->line, at->column, fmt, ap);
    va_end(ap);
}

void load_origin(struct load *l, const void *at, const char *text)
{
    for (size_t i = 0; i < l->origins.n; i++)
        if (l->origins.p[i].at == at) {
            l->origins.p[i].text = text;
            return;
        }
    vec_push(&l->origins, ((struct conf_origin){at, text}));
}

struct str load_without_bom(struct str text)
{
    return str_has_prefix(text, "\xef\xbb\xbf") ? (struct str){text.p + 3, text.n - 3} : text;
}

const struct node *load_yaml(struct load *l, const char *rel, const char *missing)
{
    const struct node_reader reader = {l->arena, &l->vars, l->problems};
    const char *path = arena_printf(l->arena, "%s/%s", l->conf->root, rel);
    const struct node *root = NULL;
    struct error err;
    struct buf text;
    enum ig_code rc;

    buf_init(&text, FILE_MAX);
    rc = env_read_file(l->env, path, &text, &err);
    if (rc == IG_OK)
        root = node_parse(&reader, rel, buf_str(&text));
    else
        problems_add(l->problems, rel, 1, 1, "%s", rc == IG_NOT_FOUND ? missing : err.msg);
    buf_release(&text);
    return root;
}

/* --- URLs ----------------------------------------------------------------------------------------------------------
 */

static bool is_host_port(struct str s)
{
    const char *colon = s.n ? memrchr(s.p, ':', s.n) : NULL;
    int64_t port;

    return colon && colon > s.p && s.p[0] != ':' &&
           str_to_int64((struct str){colon + 1, s.n - (size_t)(colon - s.p) - 1}, 1, 65535, &port);
}

/* host:port[,host:port...] */
static bool is_kafka(const char *rest)
{
    const size_t n = strcspn(rest, "?/");
    struct str hosts = {rest, n};

    if (rest[n] == '/' && rest[n + 1] && rest[n + 1] != '?')
        return false;
    for (;;) {
        const char *comma = hosts.n ? memchr(hosts.p, ',', hosts.n) : NULL;
        const size_t one = comma ? (size_t)(comma - hosts.p) : hosts.n;

        if (!is_host_port((struct str){hosts.p, one}))
            return false;
        if (!comma)
            return true;
        hosts = (struct str){comma + 1, hosts.n - one - 1};
    }
}

/* "SCHEME:PATH" with PATH made absolute; NULL if the path is empty. */
static const char *absolute(struct load *l, const char *scheme, const char *path)
{
    if (strncmp(path, "///", 3) == 0) /* file:///srv/lake */
        path += 2;
    if (!*path || strncmp(path, "//", 2) == 0)
        return NULL;
    while (path[0] == '.' && path[1] == '/')
        for (path += 2; *path == '/';)
            path++;
    if (*path == '/')
        return arena_printf(l->arena, "%s%s", scheme, path);
    return arena_printf(l->arena, "%s%s%s%s", scheme, l->conf->root, *path && strcmp(path, ".") != 0 ? "/" : "",
                        strcmp(path, ".") != 0 ? path : "");
}

static void check_url(struct load *l, const struct node *map, const char *key, const char **url, const char *scheme,
                      const char *wanted)
{
    const size_t n = strlen(scheme);
    const struct node *at = node_get(map, key);
    const char *whole = strncmp(*url, scheme, n) == 0 ? absolute(l, scheme, *url + n) : NULL;

    if (whole)
        *url = whole;
    else
        load_problem(l, at, "%s: %s is not a place that this version knows; %s", key, node_shown(l->arena, at), wanted);
}

/* s3:// and gs:// : what can be seen without the store's own code. Keys never stand in the URL: they would be shown. */
static void check_bucket(struct load *l, const struct node *at, const char *place)
{
    const size_t n = strcspn(place, "/?");

    if (n == 0)
        load_problem(l, at, "store: %s names no bucket", node_shown(l->arena, at));
    else if (memchr(place, '@', n))
        load_problem(l, at, "store: keys do not belong into the URL; they come from the environment (docs/stores.md)");
}

/* What comes through a variable into a property of a URL is one value, whatever is in it: a password may hold '&'. */
static void encode_variables(struct load *l, const struct node *at)
{
    const char *p = at->written ? strchr(at->written, '?') : NULL;
    struct vars_problem why;
    struct buf url, value;
    bool replaced;

    if (!p || l->conf->log_url != at->text)
        return;
    buf_init(&url, 0);
    buf_init(&value, 0);
    if (!vars_expand(&l->vars, (struct str){at->written, (size_t)(p - at->written)}, &url, &replaced, &why))
        goto out; /* reported before */
    while (*p) {
        const bool variable = p[0] == '$' && p[1] == '{';
        const char *end = variable ? strchr(p, '}') : p[0] == '$' && p[1] ? p + 1 : p;

        if (!end)
            goto out;
        buf_clear(&value);
        if (!vars_expand(&l->vars, (struct str){p, (size_t)(end - p) + 1}, &value, &replaced, &why))
            goto out;
        for (size_t i = 0; i < value.n; i++) {
            const char c = value.p[i];

            if (variable &&
                !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~/:,", c)))
                buf_printf(&url, "%%%02X", (unsigned char)c);
            else
                buf_putc(&url, c);
        }
        p = end + 1;
    }
    l->conf->log_url = arena_strndup(l->arena, buf_cstr(&url), url.n);
out:
    buf_release(&url);
    buf_release(&value);
}

static void read_urls(struct load *l, const struct node *map)
{
    const struct node *engine = node_get(map, "engine");
    struct conf *conf = l->conf;

    if (node_get(map, "log") && strncmp(conf->log_url, "kafka://", 8) == 0)
        encode_variables(l, node_get(map, "log"));
    if (strncmp(conf->log_url, "kafka://", 8) != 0)
        check_url(l, map, "log", &conf->log_url, "file:", "write file:FOLDER or kafka://HOST:PORT");
    else if (memchr(conf->log_url, '@', strcspn(conf->log_url, "?")))
        load_problem(l, node_get(map, "log"),
                     "log: %s: a user and password are properties, like "
                     "kafka://HOST:PORT?sasl.username=...&sasl.password=${PASSWORD}",
                     node_shown(l->arena, node_get(map, "log")));
    else if (!is_kafka(conf->log_url + 8))
        load_problem(l, node_get(map, "log"), "log: %s is not like kafka://HOST:PORT[,HOST:PORT...][?property=value]",
                     node_shown(l->arena, node_get(map, "log")));
    if (strncmp(conf->store_url, "s3://", 5) == 0 || strncmp(conf->store_url, "gs://", 5) == 0)
        check_bucket(l, node_get(map, "store"), conf->store_url + 5);
    else
        check_url(l, map, "store", &conf->store_url,
                  "file:", "write file:FOLDER, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX");
    if (strcmp(conf->warehouse_url, "none") == 0) {
        conf->warehouse_url = "";
        if (!node_get(map, "warehouse")->written)
            load_origin(l, &conf->warehouse_url, "none");
    } else {
        check_url(l, map, "warehouse", &conf->warehouse_url, "duckdb:", "write duckdb:FILE or none");
    }
    if (engine && (engine->kind != NODE_SCALAR || strcmp(engine->text, "duckdb:") != 0) &&
        !(engine->kind == NODE_NULL && engine->written))
        load_problem(l, engine, "engine: %s is not an engine that this version knows; write duckdb:",
                     node_shown(l->arena, engine));
}

/* --- the rest of ingot.yml ---------------------------------------------------------------------------------------- */

static bool parse_listen(struct load *l, const char *text, char **listen_host, int *port)
{
    const char *host;

    if (!load_address(l, text, 0, &host, port))
        return false;
    *listen_host = arena_strdup(l->arena, host);
    return true;
}

/* An address to listen on; `or_none`: "none" is a word, too. */
static void read_listen(struct load *l, const struct node *map, const char *key, const char *example, bool or_none,
                        char **host, int *port)
{
    const struct node *node = node_get(map, key);
    const char *text;

    IG_ASSERT(parse_listen(l, example, host, port));
    if (!node || !keys_text(l, key, node, &text))
        return;
    if (or_none && strcmp(text, "none") == 0)
        *host = NULL;
    else if (!parse_listen(l, text, host, port))
        load_problem(l, node, "%s: %s is not an address like %s (port 0: any free one)%s", key,
                     node_shown(l->arena, node), example, or_none ? ", and not none" : "");
    if (node->written)
        load_origin(l, host, node->written);
}

static const struct key http_keys[] = {
    {.name = "listen"},
    {.name = "user", .kind = KEY_TEXT, .at = offsetof(struct conf_http, user)},
    {.name = "password", .kind = KEY_TEXT, .at = offsetof(struct conf_http, password)},
    {.name = "certificate", .kind = KEY_TEXT, .at = offsetof(struct conf_http, certificate)},
    {.name = "key", .kind = KEY_TEXT, .at = offsetof(struct conf_http, key)},
};

static const char *beside_project(struct load *l, const char *path)
{
    return !path || *path == '/' ? path : arena_printf(l->arena, "%s/%s", l->conf->root, path);
}

/* An address, or a mapping with one and who may enter. */
static void read_http(struct load *l, const struct node *map)
{
    const struct node *node = node_get(map, "http");
    struct conf *conf = l->conf;
    struct conf_http *http = &conf->http;
    const bool is_map = node && node->kind == NODE_MAP;

    read_listen(l, is_map ? node : map, is_map ? "listen" : "http", "127.0.0.1:8081", true, &conf->http_host,
                &conf->http_port);
    if (!is_map || !keys_read(l, node, "http", http_keys, IG_COUNT(http_keys), http))
        return;
    if ((http->user == NULL) != (http->password == NULL) || (http->user && (!*http->user || !*http->password)))
        load_problem(l, node, "http: user and password go together, and neither is empty");
    if ((http->certificate == NULL) != (http->key == NULL))
        load_problem(l, node, "http: certificate and key go together");
    http->certificate = beside_project(l, http->certificate);
    http->key = beside_project(l, http->key);
}

static void check_registry(struct load *l, const struct node *map)
{
    const char *url = l->conf->registry_url;

    if (strcmp(url, "inside") != 0 && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        load_problem(l, node_get(map, "registry"), "registry: %s is not a place; write inside or http(s)://HOST:PORT",
                     node_shown(l->arena, node_get(map, "registry")));
}

static void read_broker(struct load *l, const struct node *map)
{
    const struct node *section = node_get(map, "broker"), *listen = node_get(map, "listen");

    load_broker(l, section, false, &l->conf->broker);
    if (listen && l->conf->broker.n_listeners > 0)
        load_problem(l, listen, "listen: the addresses stand under broker.listeners; one place is enough");
    if (section && section->kind != NODE_NULL && strncmp(l->conf->log_url, "file:", 5) != 0)
        load_problem(l, node_key(map, "broker"), "broker: with log: kafka://... there is no broker inside");
}

static void read_logging(struct load *l, const struct node *map)
{
    const struct node *node = node_get(map, "logging");
    int word = 0;

    if (node && keys_word(l, "logging", node, logging_words, &word))
        l->conf->log_json = word == 1;
    if (node && node->written)
        load_origin(l, &l->conf->log_json, node->written);
}

static void read_project(struct load *l)
{
    const struct node *map = load_yaml(l, "ingot.yml", "there is no ingot.yml");
    struct conf *conf = l->conf;

    if (!map || !keys_read(l, map, "ingot.yml", project_keys, IG_COUNT(project_keys), conf))
        return;
    if (!conf->name)
        conf->name = strrchr(conf->root, '/')[1] ? strrchr(conf->root, '/') + 1 : "ingot";
    else if (!conf->name[0])
        load_problem(l, node_get(map, "name"), "name: an empty name names nothing; leave the key out for the folder's");
    read_urls(l, map);
    read_listen(l, map, "listen", "127.0.0.1:9092", false, &conf->listen_host, &conf->listen_port);
    read_http(l, map);
    check_registry(l, map);
    read_broker(l, map);
    load_topics(l, node_get(map, "topics"));
    keys_read(l, node_get(map, "resources"), "resources", resources_keys, IG_COUNT(resources_keys), conf);
    keys_read(l, node_get(map, "process"), "process", process_keys, IG_COUNT(process_keys), conf);
    read_logging(l, map);
}

static void read_dotenv(struct load *l)
{
    const char *path = arena_printf(l->arena, "%s/.env", l->conf->root);
    struct error err;
    struct buf text;
    enum ig_code rc;

    l->vars.arena = l->arena;
    buf_init(&text, FILE_MAX);
    rc = env_read_file(l->env, path, &text, &err);
    if (rc == IG_OK)
        vars_read(&l->vars, ".env", load_without_bom(buf_str(&text)), l->problems);
    else if (rc != IG_NOT_FOUND)
        problems_add(l->problems, ".env", 1, 1, "%s", err.msg);
    buf_release(&text);
}

/* --- loading --------------------------------------------------------------------------------------------------------
 */

static enum ig_code check_root(struct env *env, const char *folder, struct conf *conf, struct error *err)
{
    char *root = realpath(folder, NULL);

    (void)env;
    if (!root)
        return error_errno(err, errno, "the project's folder %s", folder);
    conf->root = arena_strdup(&conf->arena, root);
    conf->data_dir = arena_printf(&conf->arena, "%s/data", root);
    free(root);
    return IG_OK;
}

static enum ig_code check_project(struct env *env, struct conf *conf, struct error *err)
{
    struct env_stat st;
    const enum ig_code rc = env_stat(env, arena_printf(&conf->arena, "%s/ingot.yml", conf->root), &st, err);

    if (rc == IG_NOT_FOUND)
        return error_set(err, rc, "there is no ingot.yml in %s; 'ingot init' makes a project", conf->root);
    return rc;
}

/* Hands out what was loaded, if nothing was wrong with it. */
static enum ig_code finish(struct load *l, const char *what, struct conf **out, struct error *err)
{
    struct conf *conf = l->conf;

    problems_sort(l->problems);
    if (l->problems->n > 0)
        return error_set(err, IG_INVALID, "%s has %zu mistake%s; the first one: %s:%d:%d: %s", what, l->problems->n,
                         l->problems->n == 1 ? "" : "s", l->problems->p[0].file, l->problems->p[0].line,
                         l->problems->p[0].column, l->problems->p[0].text);
    conf->n_origins = l->origins.n;
    conf->origins = ARENA_ARRAY(&conf->arena, struct conf_origin, l->origins.n + 1);
    if (l->origins.n)
        memcpy(conf->origins, l->origins.p, l->origins.n * sizeof(*l->origins.p));
    *out = conf;
    l->conf = NULL;
    return IG_OK;
}

enum ig_code conf_load(struct env *env, const char *folder, struct conf **out, struct conf_problems *problems,
                       struct error *err)
{
    struct conf *conf = check_calloc(1, sizeof(*conf));
    struct load l = {.env = env, .conf = conf, .arena = &conf->arena, .problems = problems};
    enum ig_code rc;

    *out = NULL;
    arena_init(&conf->arena);
    rc = check_root(env, folder, conf, err);
    if (rc == IG_OK)
        rc = check_project(env, conf, err);
    if (rc == IG_OK) {
        read_dotenv(&l);
        read_project(&l);
        load_domains(&l);
        rc = finish(&l, arena_printf(&conf->arena, "the project in %s", conf->root), out, err);
    }
    vec_free(&l.origins);
    vars_free(&l.vars);
    conf_free(l.conf);
    return rc;
}

enum ig_code conf_load_broker(struct env *env, const char *path, struct conf **out, struct conf_problems *problems,
                              struct error *err)
{
    struct conf *conf = check_calloc(1, sizeof(*conf));
    struct load l = {.env = env, .conf = conf, .arena = &conf->arena, .problems = problems};
    const char *slash = strrchr(path, '/');
    const struct node *root;
    enum ig_code rc;

    *out = NULL;
    arena_init(&conf->arena);
    rc = check_root(env, slash ? arena_strndup(&conf->arena, path, (size_t)(slash - path) + 1) : ".", conf, err);
    if (rc == IG_OK) {
        conf->name = "broker";
        read_dotenv(&l);
        root = load_yaml(&l, arena_strdup(&conf->arena, slash ? slash + 1 : path), "there is no such file");
        if (root)
            load_broker(&l, root, true, &conf->broker);
        rc = finish(&l, path, out, err);
    }
    vec_free(&l.origins);
    vars_free(&l.vars);
    conf_free(l.conf);
    return rc;
}

void conf_free(struct conf *conf)
{
    if (!conf)
        return;
    arena_release(&conf->arena);
    free(conf);
}

enum ig_code conf_find_root(struct env *env, const char *from, struct buf *out, struct error *err)
{
    char *folder = realpath(from, NULL);
    enum ig_code rc = IG_NOT_FOUND;
    struct env_stat st;
    struct buf path;

    if (!folder)
        return error_errno(err, errno, "the folder %s", from);
    buf_init(&path, 0);
    for (char *end = folder + strlen(folder); rc == IG_NOT_FOUND && end; end = strrchr(folder, '/')) {
        *end = 0;
        buf_clear(&path);
        buf_printf(&path, "%s/ingot.yml", folder);
        rc = env_stat(env, buf_cstr(&path), &st, err);
    }
    if (rc == IG_OK)
        buf_puts(out, *folder ? folder : "/");
    else if (rc == IG_NOT_FOUND)
        error_set(err, rc,
                  "there is no ingot.yml in this folder or above it; 'ingot init' makes a project, -C DIR names one");
    free(folder);
    buf_release(&path);
    return rc == IG_OK ? buf_check(out, err, "the project's folder") : rc;
}

const struct conf_domain *conf_domain(const struct conf *conf, struct str name)
{
    for (size_t i = 0; i < conf->n_domains; i++)
        if (str_is(name, conf->domains[i].name))
            return &conf->domains[i];
    return NULL;
}

int conf_column(const struct conf_contract *contract, struct str name)
{
    for (size_t i = 0; i < contract->n_fields; i++)
        if (str_is(name, contract->fields[i].name))
            return (int)i;
    return -1;
}
