/*
 * Actions: the lines of a commit, read once, in place. Nothing is applied here, so that threads may read commits side
 * by side; replay.c does that, in the order of the versions.
 */
#ifndef LAKE_ACTION_H
#define LAKE_ACTION_H

#include "lake/log/entry.h"

enum lake_action_kind {
    LAKE_ADD,
    LAKE_REMOVE,
    LAKE_CDC,
    LAKE_METADATA,
    LAKE_PROTOCOL,
    LAKE_TXN,
    LAKE_DOMAIN,
    LAKE_COMMIT_INFO,
    LAKE_CHECKPOINT_METADATA,
    LAKE_SIDECAR,
    LAKE_ACTION_KINDS
};

struct lake_action {
    enum lake_action_kind kind;
    bool data_change; /* of a file; true where it does not say */
    bool says_size;   /* of a file: its size is named */
    uint32_t line;
    union {
        struct lake_entry file; /* of LAKE_ADD, LAKE_REMOVE, LAKE_CDC */
        struct str raw;         /* the object, of the others */
    } u;
};

struct lake_actions {
    VEC(struct lake_action) list;
};

struct lake_parser {
    struct lake_intern intern;               /* its arena takes all texts */
    struct buf path, stats, clustering, key; /* with their escapes resolved */
    bool wants_changes;   /* keeps LAKE_CDC and LAKE_COMMIT_INFO; else of the latter the timestamp alone */
    int64_t in_commit_ms; /* of the last text, -1: none */
};

void lake_parser_init(struct lake_parser *p, struct arena *arena);
void lake_parser_release(struct lake_parser *p);

/* Appends the actions of a text. IG_CORRUPT names the line. What we do not know has no effect on a reader. */
IG_MUST_CHECK enum ig_code lake_parse_actions(struct lake_parser *p, struct str text, struct lake_actions *out,
                                              struct error *err);

/* IG_CORRUPT if the object of a metaData or protocol action has a member that is nearly one that we know. */
IG_MUST_CHECK enum ig_code lake_check_members(enum lake_action_kind kind, struct str object, struct error *err);

/* A commit or a checkpoint's text that we write carries its own checksum, so that no changed byte goes unseen: the
 * first thing that its commitInfo, or its checkpointMetadata, says, at a fixed place. What begins such a text ends
 * inside of that action. */
void lake_seal_begin(struct buf *text);
void lake_seal_begin_checkpoint(struct buf *text);
void lake_seal_end(struct buf *text);
/* IG_CORRUPT if the text has a checksum that it does not match. */
IG_MUST_CHECK enum ig_code lake_seal_check(struct str text, struct error *err);

#endif
