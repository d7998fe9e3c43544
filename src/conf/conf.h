/*
 * Configuration: a project folder (ingot.yml, domains/NAME/domain.yml, SQL files, .env) read into checked structs.
 *
 * Every mistake of a project is found in one run and reported as `file:line:column: what, and what would be right`.
 * `${VAR}` and `${VAR:-default}` are replaced after parsing and only inside scalars, so a value never changes the
 * structure. Values that came through a variable, and user:password parts of URLs, are masked where configuration is
 * printed.
 *
 * A struct conf owns everything below it (one arena) and does not change once loaded; any thread may read it.
 */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include "base/base.h"

/* --- domains/NAME/domain.yml --------------------------------------------------------------------------- */

enum conf_field_type {
    CONF_STRING,    /* VARCHAR */
    CONF_INT,       /* BIGINT */
    CONF_DOUBLE,    /* DOUBLE */
    CONF_DECIMAL,   /* DECIMAL(precision, scale): "decimal(10,2)" */
    CONF_BOOL,      /* BOOLEAN */
    CONF_TIMESTAMP, /* ISO 8601 text, or (with `unit: s|ms|us`) a number; TIMESTAMP WITH TIME ZONE */
    CONF_DATE,      /* DATE */
    CONF_JSON,      /* any JSON, kept as its text; VARCHAR */
    CONF_LIST,      /* "list<int>", or `type: list` with `items:`; LIST */
    CONF_STRUCT,    /* `type: struct` with `fields:`; STRUCT */
};

enum conf_time_unit { CONF_TIME_TEXT, CONF_TIME_S, CONF_TIME_MS, CONF_TIME_US };

struct conf_field {
    const char *name; /* the column's name */
    const char *path; /* where it is in the record: "price" or "properties.price"; default: name */
    enum conf_field_type type;
    int precision, scale;          /* CONF_DECIMAL */
    enum conf_time_unit time_unit; /* CONF_TIMESTAMP */
    bool required;                 /* missing or null: reject */
    const char **one_of;           /* `enum:`; values of a string field, NULL if free */
    size_t n_one_of;
    bool has_min, has_max; /* numbers: inclusive bounds; strings: of the length */
    double min, max;
    const char *pattern;      /* NULL, or a POSIX extended regular expression that a string must match */
    bool lenient;             /* also take the value as text ("12.5" for a number, 1 for "1"): CSV sources need it */
    const char *when_field;   /* `required_when: {event_type: [purchase, ...]}`: required if that */
    const char **when_values; /* field has one of these values; NULL if none */
    size_t n_when_values;
    const struct conf_field *fields; /* CONF_STRUCT: its members; CONF_LIST: fields[0] is the item */
    size_t n_fields;
};

enum conf_unique_scope { CONF_UNIQUE_PARTITION, CONF_UNIQUE_TABLE };

/* What a new version of a contract must be to those that are registered; see registry.md. */
enum conf_compatibility {
    CONF_NONE,
    CONF_BACKWARD,
    CONF_BACKWARD_TRANSITIVE,
    CONF_FORWARD,
    CONF_FORWARD_TRANSITIVE,
    CONF_FULL,
    CONF_FULL_TRANSITIVE,
};
extern const char *const conf_compatibilities[]; /* their names, ended by NULL */

/* What a record must be. */
struct conf_contract {
    const struct conf_field *fields;
    size_t n_fields;
    const char **key; /* columns that identify an entity; none: records are told apart by log coordinates alone */
    size_t n_key;
    const char *event_time; /* column of type timestamp or date that dates a record; NULL: the record's log timestamp */
    const char *order_by;   /* column by which the latest of several rows of a key is chosen; NULL: log order, the
                               first one stays (an event is what it was first reported as) */
    enum conf_unique_scope unique; /* is a key unique within its date partition, or in the table? */
    bool has_not_before;           /* event times before this date, or further in the future than this, are rejected */
    int32_t not_before_days;
    int64_t max_future_ms; /* 0: no check */
    enum conf_compatibility compatibility;
};

enum conf_source_type { CONF_SOURCE_NONE, CONF_SOURCE_GENERATE, CONF_SOURCE_FILE };
enum conf_file_format { CONF_FORMAT_AUTO, CONF_FORMAT_CSV, CONF_FORMAT_PARQUET, CONF_FORMAT_NDJSON };

struct conf_source {
    enum conf_source_type type;
    /* both */
    double rate_per_s; /* 0: as fast as possible */
    /* generate */
    const char *generator; /* clickstream, orders, restaurants, users */
    uint64_t seed;
    int64_t count;                                       /* stop after so many records; 0: never */
    int64_t users;                                       /* virtual users */
    double late_ratio, duplicate_ratio, malformed_ratio; /* 0..1 */
    const char *start;                                   /* first event's time, ISO 8601; NULL: now */
    int64_t span_ms; /* with start and count: the records' times are spread over it; 0: by the rate */
    /* file */
    const char **paths; /* globs, made absolute against the project folder */
    size_t n_paths;
    enum conf_file_format format;
    const char *null_text; /* CSV: what stands for null; default "" */
    const char *sql; /* NULL, or a SELECT over `input` (the file's rows) that renames or adds columns before records are
                        made; the text of the file named by `sql:` */
    const char *sql_path;  /* for messages */
    bool reread_on_change; /* a file whose size or time changed is a new version and is read again */
};

struct conf_gold {
    const char *name; /* the table's, unique in the project */
    const char *sql;  /* the SELECT, over the view `silver` (this domain's rows) and views silver_DOMAIN for others */
    const char *sql_path;
    const char **key; /* columns of the MERGE key */
    size_t n_key;
    bool whole_table; /* `scope: table`: computed over all dates; otherwise over the one partition, whose date column is
                         then a column of the result */
};

/* A check of the domain's tables that runs with the partition: `tests/NAME.sql`, must return no row. */
struct conf_check {
    const char *name, *sql, *path;
};

struct conf_domain {
    const char *name;   /* [a-z][a-z0-9_]*, at most 63 characters */
    const char *folder; /* absolute */
    const char *description;
    struct conf_source source;
    struct {
        const char *name;     /* raw-NAME */
        const char *dlq_name; /* dlq-raw-NAME */
        int32_t partitions;
        int64_t retention_ms, dlq_retention_ms;
        const char *key; /* column whose text is the record's key; NULL: no key, partitions in turn */
    } topic;
    struct conf_contract contract;
    struct {
        const char *date_column; /* `partition_by`: name of the date column, e.g. event_date */
        int64_t flush_records, flush_ms;
    } bronze;
    struct {
        const char *sql;      /* NULL, or the text of silver.sql: a SELECT over `input` (typed, deduplicated rows) */
        const char *sql_path; /* for messages */
    } silver;
    const struct conf_gold *gold;
    size_t n_gold;
    const struct conf_check *checks;
    size_t n_checks;
    const char **depends_on; /* domains that are processed first */
    size_t n_depends_on;
    int32_t max_retries; /* FAILED -> RETRYING so often, then DEAD */
};

/* A topic that belongs to no domain. */
enum conf_cleanup { CONF_CLEANUP_DELETE, CONF_CLEANUP_COMPACT, CONF_CLEANUP_BOTH };
struct conf_topic {
    const char *name;
    int32_t partitions;
    int64_t retention_ms; /* -1: for ever */
    int cleanup;
};

/* --- the broker: section `broker:` of ingot.yml, or a file of its own ----------------------------------- */

enum conf_protocol { CONF_PLAINTEXT, CONF_SSL, CONF_SASL_PLAINTEXT, CONF_SASL_SSL }; /* as Kafka names them */
enum conf_client_auth { CONF_CLIENT_AUTH_NONE, CONF_CLIENT_AUTH_REQUESTED, CONF_CLIENT_AUTH_REQUIRED };
enum conf_tls_version { CONF_TLS_1_2, CONF_TLS_1_3 };
enum conf_fsync { CONF_FSYNC_GROUP, CONF_FSYNC_INTERVAL, CONF_FSYNC_OS };

struct conf_tls {
    const char *certificate, *key; /* PEM files, absolute; the certificate's chain behind it */
    const char *key_password;      /* NULL: the key is not encrypted */
    const char *client_ca;         /* PEM: who may sign clients' certificates */
    int client_auth, min_version;
    const char *ciphers;          /* OpenSSL's list for TLS 1.2; NULL: its default */
    const char **principal_rules; /* as Kafka's ssl.principal.mapping.rules */
    size_t n_principal_rules;
};

struct conf_listener {
    const char *name; /* for messages; unique */
    const char *host;
    int port;                    /* 0: any free one */
    const char *advertised_host; /* NULL: where the client reached us, if host is all addresses; otherwise host */
    int advertised_port;         /* 0: port */
    int protocol;
    const char **mechanisms; /* PLAIN, SCRAM-SHA-256, SCRAM-SHA-512; none: all of them */
    size_t n_mechanisms;
    struct conf_tls tls;
    int32_t max_connections;       /* 0: no limit but the broker's */
    double connections_per_second; /* 0: any */
};

struct conf_user {
    const char *name;
    const char *password;                      /* NULL: none, only verifiers */
    const char *scram_sha_256, *scram_sha_512; /* "salt=...,stored_key=...,server_key=...,iterations=..." */
};

struct conf_acl {
    const char *principal, *host, *name;
    int type, operation; /* with the numbers of Kafka's protocol */
    bool deny, prefixed;
};

/* NULL: whoever it is; "<default>": each that has no quota of its own. A limit of 0 is none. */
struct conf_quota {
    const char *user, *client_id, *address;
    int64_t producer_byte_rate, consumer_byte_rate; /* bytes a second */
    double request_percentage;                      /* of one thread */
    double connection_creation_rate;                /* a second; of an address */
};

struct conf_broker {
    bool given;           /* is there such a section at all? */
    const char *data_dir; /* of a file of its own; NULL: not said there */
    struct conf_listener *listeners;
    size_t n_listeners;
    struct conf_user *users;
    size_t n_users;
    const char **super_users; /* "User:NAME" */
    size_t n_super_users;
    struct conf_acl *acls;
    size_t n_acls;
    bool allow_without_acl; /* may everybody use what no ACL speaks of? */
    struct conf_quota *quotas;
    size_t n_quotas;
    struct {
        int32_t connections, connections_per_address;
        int64_t request_bytes, message_bytes, queued_bytes, memory_bytes;
        int64_t group_min_session_ms, group_max_session_ms, group_initial_delay_ms, offsets_retention_ms;
        int64_t idle_ms, authentication_ms, authentication_delay_ms, reauthentication_ms; /* the last: 0 never */
    } limits;
    int fsync;
    int64_t fsync_interval_ms;
    int32_t default_partitions; /* of topics that are made by use; 0: they are refused */
};

/* --- ingot.yml -------------------------------------------------------------------------------------- */

struct conf {
    struct arena arena;
    const char *name;
    const char *root; /* absolute path of the project folder */
    /* URLs as written, relative file: paths made absolute */
    const char *log_url;       /* file:DIR: the broker inside; kafka://HOST:PORT[,...][?property=value&...] */
    const char *store_url;     /* file:DIR, s3://BUCKET/PREFIX?options, gs://... */
    const char *warehouse_url; /* duckdb:FILE, or "" for none */
    const char *data_dir;      /* state, locks, scratch files: ROOT/data */
    struct conf_broker broker; /* how the broker inside is reached, and by whom */
    char *listen_host;         /* of the broker inside */
    int listen_port;           /* 0: any free one */
    char *http_host;           /* where `up` serves HTTP; NULL: nowhere */
    int http_port;             /* 0: any free one */
    struct conf_http {
        const char *user, *password;   /* who may enter; NULL: everybody */
        const char *certificate, *key; /* absolute paths of PEM files; NULL: no TLS */
    } http;
    const char *registry_url;    /* "inside", or http(s)://HOST:PORT */
    int64_t memory_bytes;        /* what the engine may use */
    int threads;                 /* of the engine; 0: as many as cores */
    int64_t process_interval_ms; /* `up`: how often partitions are looked for; 0: only by `run` */
    bool log_json;
    struct conf_topic *topics; /* section `topics:` */
    size_t n_topics;
    struct conf_domain *domains; /* in an order in which depends_on comes first */
    size_t n_domains;
    struct conf_origin *origins; /* what was written where a variable or a file's text is now: for conf_print */
    size_t n_origins;
};

/* What is wrong, all of it, in the order of file, line, column. */
struct conf_problem {
    char *file; /* relative to the project folder where it is inside */
    int line, column;
    char *text;
};
struct conf_problems {
    struct conf_problem *p;
    size_t n, cap;
};
void conf_problems_free(struct conf_problems *problems);

/* Loads the project in `folder`. IG_NOT_FOUND if there is no ingot.yml, IG_INVALID with `problems` filled if there are
 * mistakes. Free the result with conf_free. */
IG_MUST_CHECK enum ig_code conf_load(struct env *env, const char *folder, struct conf **out,
                                     struct conf_problems *problems, struct error *err);
void conf_free(struct conf *conf);

/* A file that holds what stands under `broker:` in an ingot.yml, and may name its `data:` folder. Paths in it are
 * relative to its folder. As conf_load; the result has nothing but its `broker`. */
IG_MUST_CHECK enum ig_code conf_load_broker(struct env *env, const char *path, struct conf **out,
                                            struct conf_problems *problems, struct error *err);

/* The nearest folder from `from` upwards that has an ingot.yml; IG_NOT_FOUND says how to make one. */
IG_MUST_CHECK enum ig_code conf_find_root(struct env *env, const char *from, struct buf *out, struct error *err);

/* NULL if there is none. */
const struct conf_domain *conf_domain(const struct conf *conf, struct str name);
/* The index of a contract's column, or -1. */
int conf_column(const struct conf_contract *contract, struct str name);

/* The project as it is in effect, secrets masked: YAML documents, each headed by a comment that names its file; each
 * can be loaded again. What came through a variable is printed as it was written, ${VAR}. */
void conf_print(const struct conf *conf, struct buf *out);

/* Appends a text, usually a URL, with its user:password part and password-like properties as ***; for messages. */
void conf_add_masked(struct buf *out, const char *text);

#endif
