/*
 * The files that a log names, kept small: tables have millions of them. What files of one table share (partition
 * values, the shape of their statistics) is kept once; what few of them have is kept apart.
 */
#ifndef LAKE_ENTRY_H
#define LAKE_ENTRY_H

#include "base/base.h"

/* Partition values, one for all files of a partition. */
struct lake_values {
    struct str raw;           /* a JSON object */
    const char *const *list;  /* one text a partition column, NULL for null; NULL before it was asked for */
    const void *resolved_for; /* the partition columns that the list is of */
};

/* What few files have. Texts are JSON as the log has them. */
struct lake_entry_more {
    struct str dv_id, raw_dv;  /* of the deletion vector: its unique id; an object */
    struct str raw_path;       /* a string's content, where it is spelled otherwise than the path is */
    struct str raw_tags;       /* an object */
    struct str raw_clustering; /* clusteringProvider, a string's content */
    int64_t base_row_id, row_commit_version;
};

struct lake_shape;

/* A file that the log named: live, or removed not long ago. Others read it by the functions below. */
struct lake_entry {
    const char *path; /* decoded, with a NUL; with more->dv_id the key */
    struct lake_values *values;
    const struct lake_entry_more *more;
    const struct lake_shape *shape; /* of its statistics; NULL: they are as they are */
    const char *stats;
    int64_t size_bytes;
    int64_t time_ms;    /* modified, of a live file; else deleted */
    int64_t rows;       /* by its statistics, -1: they do not say */
    int64_t touched_in; /* the version that named it last, LAKE_REPLAY_CHECKPOINT in a checkpoint */
    uint32_t path_n, stats_n, hash;
    bool live;
    bool added, removed; /* in touched_in */
};

static inline bool lake_entry_is_live(const struct lake_entry *e)
{
    return e->live;
}
/* The path, decoded, with a NUL behind it: relative to the table, or absolute (a shallow clone's). */
static inline struct str lake_entry_name(const struct lake_entry *e)
{
    return (struct str){e->path, e->path_n};
}
/* The path as the log spells it, within quotes. */
static inline struct str lake_entry_raw_path(const struct lake_entry *e)
{
    return e->more && e->more->raw_path.n ? e->more->raw_path : lake_entry_name(e);
}
/* The deletion vector's descriptor, a JSON object, and its unique id; none without. */
static inline struct str lake_entry_dv(const struct lake_entry *e)
{
    return e->more ? e->more->raw_dv : (struct str){NULL, 0};
}
static inline struct str lake_entry_dv_id(const struct lake_entry *e)
{
    return e->more ? e->more->dv_id : (struct str){NULL, 0};
}
/* JSON objects; tags may be none. */
static inline struct str lake_entry_raw_values(const struct lake_entry *e)
{
    return e->values && e->values->raw.n ? e->values->raw : STR("{}");
}
static inline struct str lake_entry_raw_tags(const struct lake_entry *e)
{
    return e->more ? e->more->raw_tags : (struct str){NULL, 0};
}
/* Of a live file: one text a partition column, NULL for null. */
static inline const char *const *lake_entry_values(const struct lake_entry *e)
{
    return e->values ? e->values->list : NULL;
}
static inline int64_t lake_entry_size(const struct lake_entry *e)
{
    return e->size_bytes;
}
static inline int64_t lake_entry_modified_ms(const struct lake_entry *e)
{
    return e->live ? e->time_ms : 0;
}
static inline int64_t lake_entry_deleted_ms(const struct lake_entry *e)
{
    return e->live ? 0 : e->time_ms;
}
/* Rows in the file by its statistics, -1: they do not say. */
static inline int64_t lake_entry_rows(const struct lake_entry *e)
{
    return e->rows;
}
/* Row tracking: -1 if the log has none. */
static inline int64_t lake_entry_base_row_id(const struct lake_entry *e)
{
    return e->more ? e->more->base_row_id : -1;
}
static inline int64_t lake_entry_row_commit_version(const struct lake_entry *e)
{
    return e->more ? e->more->row_commit_version : -1;
}
/* add.clusteringProvider, a JSON string's content, none without. */
static inline struct str lake_entry_clustering_provider(const struct lake_entry *e)
{
    return e->more ? e->more->raw_clustering : (struct str){NULL, 0};
}
static inline bool lake_entry_has_stats(const struct lake_entry *e)
{
    return e->stats_n > 0;
}
/* The file's statistics as JSON, none without. */
void lake_entry_add_stats(const struct lake_entry *e, struct buf *out);
/* Rows that its deletion vector marks. */
int64_t lake_entry_deleted_rows(const struct lake_entry *e);

/* --- making them (entry.c, pack.c) ------------------------------------------------------------------------- */

/* What one thread that reads a log keeps: texts that it has seen, and room. The texts live in the arena. */
struct lake_intern {
    struct arena *arena;
    VEC(struct lake_values *) values; /* a hash table, free places NULL */
    VEC(struct lake_shape *) shapes;
    size_t n_values, n_shapes;
    struct lake_values *last_values;
    struct lake_shape *last_shape;
    struct buf text, other;
};

void lake_intern_init(struct lake_intern *in, struct arena *arena);
void lake_intern_release(struct lake_intern *in);

/* Statistics, packed. */
struct lake_packed_stats {
    const struct lake_shape *shape;
    const char *stats;
    int64_t rows; /* -1: they do not say */
    uint32_t stats_n;
    bool there; /* for who keeps many: are there any? */
};

/* What a file action says, in somebody else's memory. */
struct lake_file_row {
    struct str path;                         /* as the log has it: percent-encoded, JSON's escapes resolved */
    struct str raw_path;                     /* within quotes; none: made from path */
    struct str stats;                        /* JSON */
    const struct lake_packed_stats *packed;  /* instead of it; NULL: none */
    struct str values, tags, dv;             /* JSON objects, none is {NULL, 0} */
    struct str clustering;                   /* clusteringProvider */
    int64_t size_bytes, time_ms;             /* modified, or deleted */
    int64_t base_row_id, row_commit_version; /* -1: none */
};
/* Makes an entry of it. IG_CORRUPT names the path. */
IG_MUST_CHECK enum ig_code lake_entry_make(struct lake_intern *in, const struct lake_file_row *row,
                                           struct lake_entry *out, struct error *err);

/* Statistics: what is the same in all files' apart from what is not. */
void lake_stats_pack(struct lake_intern *in, struct str json, struct lake_packed_stats *out);

#endif
