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

/* --- ingot.yml -------------------------------------------------------------------------------------- */

struct conf {
    struct arena arena;
    const char *name;
    const char *root; /* absolute path of the project folder */
    /* URLs as written, relative file: paths made absolute */
    const char *log_url;         /* file:DIR: the broker inside; kafka://HOST:PORT[,...][?property=value&...] */
    const char *store_url;       /* file:DIR */
    const char *warehouse_url;   /* duckdb:FILE, or "" for none */
    const char *data_dir;        /* state, locks, scratch files: ROOT/data */
    char *listen_host;           /* of the broker inside */
    int listen_port;             /* 0: any free one */
    int64_t memory_bytes;        /* what the engine may use */
    int threads;                 /* of the engine; 0: as many as cores */
    int64_t process_interval_ms; /* `up`: how often partitions are looked for; 0: only by `run` */
    bool log_json;
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
