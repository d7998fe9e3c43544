/*
 * Inside registry/: what a registry over a log knows, and how it is read and written.
 *
 * Reading: one thread applies the topic's records in their order (records.c); it alone changes the state. Writing: a
 * record is produced, and what it does is seen once the reader has met it. So all registries over one log come to the
 * same state. Two that write at the same time can choose the same version or id: of such registrations the first in the
 * log counts, and the writer of the other sees that and goes again (register.c).
 */
#ifndef REGISTRY_STORE_H
#define REGISTRY_STORE_H

#include "registry/json_tree.h"
#include "registry/registry.h"
#include "registry/schema_internal.h"

#include <pthread.h>

enum level {
    LEVEL_NONE,
    LEVEL_BACKWARD,
    LEVEL_BACKWARD_TRANSITIVE,
    LEVEL_FORWARD,
    LEVEL_FORWARD_TRANSITIVE,
    LEVEL_FULL,
    LEVEL_FULL_TRANSITIVE,
    LEVEL_UNSET,
};
const char *level_name(enum level level);
enum level level_of(struct str name); /* any case; LEVEL_UNSET if it is none */

enum mode { MODE_READWRITE, MODE_READONLY, MODE_READONLY_OVERRIDE, MODE_IMPORT, MODE_UNSET };
const char *mode_name(enum mode mode);
enum mode mode_of(struct str name);

struct reference {
    struct str name, subject;
    int32_t version; /* -1: the latest */
};

/* What a schema is, apart from where it is registered. */
struct content {
    enum schema_type type;
    struct str text;
    struct reference *refs;
    size_t n_refs;
    struct str metadata, rule_set; /* JSON as it came, p NULL: none */
};
void content_guid(const struct content *c, char out[37]);
bool content_eq(const struct content *a, const struct content *b);

/* A schema under its id. Stays until the registry is closed, so that pointers to it and to what it parsed to hold. */
struct entry {
    struct arena arena;
    int32_t id;
    struct content content;
    char guid[37];
    size_t uses;           /* by how many versions; 0: gone */
    struct schema *parsed; /* made when first asked for */
    struct error broken;   /* why it could not be */
};

struct version {
    int32_t number;
    bool deleted; /* softly */
    struct entry *entry;
    int64_t timestamp_ms;
    bool contested; /* the last record of this key in the log is one that did not count */
};

struct settings {
    char *config; /* the record's value, NULL: none */
    enum level level;
    bool normalize, lenient;
    enum mode mode;
};

struct subject {
    char *name;
    VEC(struct version) versions; /* by number */
    struct settings settings;
};

struct registry {
    struct env *env;
    struct remote *remote; /* a client of one elsewhere; nothing below, but `parsed`, is used */

    struct log_client *log;
    struct log_producer *producer;
    struct env_thread *reader;
    char origin[37]; /* which registry wrote a record */

    pthread_mutex_t write_lock; /* one writer at a time; taken before `lock` */
    int64_t delivered_offset;   /* of the writer's record; -1: failed. Under write_lock */
    struct error delivery;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t applied;
    int64_t read_to; /* all records below this offset are applied */
    bool stopping;
    struct error failure;           /* of the reader, while it tries again */
    VEC(struct subject *) subjects; /* by name */
    VEC(struct entry *) entries;    /* by id; of several with one id the last is the one that counts */
    VEC(struct entry *) past;       /* replaced ones */
    struct entry **by_guid;         /* open addressing, power of two */
    size_t n_by_guid, by_guid_cap;
    struct settings global;
    int32_t max_id;

    VEC(struct parsed_id) parsed; /* client side: schemas by id, by id */
};

struct parsed_id {
    int32_t id;
    struct schema *schema;
};

/* --- store.c: the state; the caller holds `lock` ----------------------------------------------------- */

struct subject *store_subject(const struct registry *r, struct str name);
struct subject *store_subject_make(struct registry *r, struct str name);
struct version *store_version(const struct subject *s, int32_t number); /* deleted ones, too */
struct version *store_latest(const struct subject *s, bool deleted); /* the last one that is not deleted, or of all */
bool store_has_versions(const struct subject *s, bool deleted);
struct entry *store_entry(const struct registry *r, int32_t id);                 /* in use */
struct entry *store_entry_of(const struct registry *r, const struct content *c); /* the same schema, in use */
struct entry *store_entry_by_guid(const struct registry *r, struct str guid);
struct entry *store_entry_add(struct registry *r, int32_t id, const struct content *c);
void store_version_set(struct registry *r, struct subject *s, int32_t number, struct entry *entry, bool deleted,
                       int64_t timestamp_ms);
void store_version_remove(struct registry *r, struct subject *s, int32_t number);
void store_release(struct registry *r);
enum level store_level(const struct registry *r, const struct subject *s); /* s NULL: the global one */
enum mode store_mode(const struct registry *r, const struct subject *s);
void settings_set_config(struct settings *s, struct str value); /* p NULL: none */

/* Is a version referred to, by any version (`deleted`: also by softly deleted ones) of a subject other than `except`?
 */
typedef void store_each_fn(void *ctx, const struct subject *s, const struct version *v);
size_t store_referrers(const struct registry *r, struct str subject, int32_t number, bool deleted, struct str except,
                       store_each_fn *each, void *ctx);

/* The parsed schema of an entry, with all that it refers to. */
enum ig_code store_parse_entry(struct registry *r, struct entry *e, const struct schema **out, struct error *err);
/* Finds what `c` refers to; then *refs has c->n_refs of them. */
enum ig_code store_resolve(struct registry *r, const struct content *c, struct arena *arena,
                           struct schema_reference **refs, struct error *err);

/* --- records.c --------------------------------------------------------------------------------------- */

void records_apply(struct registry *r, const struct log_record *record);

void record_schema_key(struct buf *out, struct str subject, int32_t version);
void record_schema_value(struct buf *out, struct str subject, int32_t version, int32_t id, const struct content *c,
                         bool deleted, const char *origin);
void record_key(struct buf *out, const char *keytype, struct str subject); /* CONFIG, MODE, DELETE_SUBJECT, ... */
/* Appends "references":[...] and the like of a content, with a leading comma; nothing for what it has not. */
void record_add_content(struct buf *out, const struct content *c);
/* Reads them from a record's value or from a request. IG_INVALID. */
enum ig_code record_read_content(const struct json_node *object, struct arena *arena, struct content *out,
                                 struct error *err);

/* --- registry.c: the log; the caller holds write_lock and not lock ----------------------------------- */

/* Until everything that is in the log now is applied. */
enum ig_code registry_sync(struct registry *r, struct error *err);
/* Writes a record and waits until it is applied. */
enum ig_code registry_put(struct registry *r, struct str key, struct str value, struct error *err);
/* Says on schema-changes what happened. Does not wait. */
void registry_announce(struct registry *r, const char *change, struct str subject, int32_t version, int32_t id,
                       enum schema_type type);

/* --- register.c: what writers do --------------------------------------------------------------------- */

/* Why something was refused: an error code of the REST API (40401 ...) and the sentence. */
struct refusal {
    int code;
    struct buf text;
};
int refuse(struct refusal *why, int code, const char *fmt, ...) IG_PRINTF(3, 4); /* returns the code */

struct registration {
    struct str subject;
    struct content content;
    int32_t version, id; /* in: 0 and -1 if not given; out: what it got */
    bool normalize;
    char guid[37];
};
/* 0, or the code of the refusal. The content's text becomes the canonical one, in `arena`. */
int register_schema(struct registry *r, struct registration *x, struct arena *arena, struct refusal *why);
/* The candidate parsed, and its text made canonical. Free `out`. */
int register_parse(struct registry *r, struct registration *x, struct arena *arena, struct schema **out,
                   struct refusal *why);
/* Is it compatible with the versions (all that are there if number is 0)? Messages as Confluent words them. */
int register_compatible(struct registry *r, const struct registration *x, const struct schema *schema, int32_t number,
                        struct schema_problems *problems, struct refusal *why);
/* *number -1: the latest; then which it was. */
int delete_version(struct registry *r, struct str subject, int32_t *number, bool permanent, struct refusal *why);
int delete_subject(struct registry *r, struct str subject, bool permanent, struct buf *versions, struct refusal *why);

/* Writes a setting ("CONFIG", "MODE"; value p NULL: takes it away) of a subject (p NULL: the global one). */
int put_setting(struct registry *r, const char *keytype, struct str subject, struct str value, struct refusal *why);
int set_mode(struct registry *r, struct str subject, enum mode mode, bool force, struct refusal *why);

/* --- compatible.c ------------------------------------------------------------------------------------ */

struct earlier {
    const struct schema *schema;
    int32_t version;
};
/* `earlier` oldest first. */
bool compatible(enum level level, const struct schema *schema, const struct earlier *earlier, size_t n,
                struct schema_problems *problems);

/* --- remote.c: a registry elsewhere ------------------------------------------------------------------ */

enum ig_code remote_open(struct env *env, const char *url, struct remote **out, struct error *err);
void remote_close(struct remote *x);
enum ig_code remote_send(struct remote *x, const struct registry_request *request, struct registry_response *response,
                         struct error *err);

#endif
