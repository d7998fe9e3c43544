/* What the readers of a project share while it is being loaded. */
#ifndef CONF_LOAD_H
#define CONF_LOAD_H

#include "conf/conf.h"
#include "conf/node.h"

/* What was written for the struct member at `at`. */
struct conf_origin {
    const void *at;
    const char *text;
};

/* The nodes of a domain, for checks across keys and domains. */
struct domain_nodes {
    const struct node *root, *contract, *gold;
    const char *file; /* domains/NAME/domain.yml */
};

struct load {
    struct env *env;
    struct conf *conf;
    struct arena *arena; /* conf's */
    struct conf_problems *problems;
    struct vars vars;
    VEC(struct conf_origin) origins;
    const struct node *topics;  /* the section of ingot.yml; NULL: there is none */
    struct domain_nodes *nodes; /* one a domain, in the order of conf->domains while loading */
};

void load_problem(struct load *l, const struct node *at, const char *fmt, ...) IG_PRINTF(3, 4);
void load_origin(struct load *l, const void *at, const char *text);
const char *conf_origin_of(const struct conf *conf, const void *at); /* NULL: nothing special was written */
/* Some editors put a byte order mark in front of a text. */
struct str load_without_bom(struct str text);
/* A YAML file below the project's folder: NULL after reporting. `rel` is kept. IG_NOT_FOUND has `missing` reported. */
const struct node *load_yaml(struct load *l, const char *rel, const char *missing);

/* sql_file.c: the text of an SQL file below the domain's folder, one statement without its semicolon, ending in a line
 * feed; NULL after reporting. `at` is where the file is named, `rel` as it is written there. */
const char *load_sql(struct load *l, const struct conf_domain *d, const struct node *at, const char *rel,
                     const char **path);
/* Cuts a trailing semicolon. False if there is a second statement (at *at) or no statement at all (*at = 0). */
bool load_one_statement(struct str sql, struct str *out, size_t *at);

/* domain.c */
void load_domain(struct load *l, struct conf_domain *d, struct domain_nodes *nodes);
/* contract.c: fields, then what the contract says about them. */
void load_contract(struct load *l, const struct node *map, const struct node *domain, struct conf_domain *d);
/* What `lenient` is for fields that do not say: CSV has texts only. */
bool load_lenient_default(const struct conf_source *s);
/* domains.c: the folders, their order, and what must be unique among them. */
void load_domains(struct load *l);

/* topics.c: section `topics:`, or NULL for none. */
void load_topics(struct load *l, const struct node *section);
bool load_topic_name(const char *s);
/* broker.c: section `broker:`, or NULL for none; a file of its own may name its data folder. */
void load_broker(struct load *l, const struct node *section, bool own_file, struct conf_broker *b);
/* "host:port" or "[host]:port". False if it is not that. */
bool load_address(struct load *l, const char *text, int min_port, const char **host, int *port);
/* print_broker.c */
void print_broker(const struct conf *conf, struct buf *out);

/* The tables, for conf_print. */
struct key;
struct key_table {
    const struct key *keys;
    size_t n;
};
extern const struct key_table conf_project_table, conf_resources_table, conf_process_table;
extern const struct key_table conf_domain_table, conf_generate_table, conf_file_table, conf_topic_table;
extern const struct key_table conf_bronze_table, conf_contract_table, conf_field_table;
extern const struct key_table conf_silver_table, conf_gold_table;
extern const struct key_table conf_broker_table, conf_listener_table, conf_tls_table, conf_quota_table;
extern const struct key_table conf_limits_table, conf_topics_table, conf_retention_table;
extern const char *const conf_protocols[], *const conf_client_auths[], *const conf_tls_versions[], *const conf_fsyncs[];
extern const char *const conf_cleanups[];
extern const char *const conf_operations[], *const conf_resources[];
extern const char *const conf_source_types[];
extern const char *const conf_field_types[];
extern const char *const conf_time_units[];

#endif
