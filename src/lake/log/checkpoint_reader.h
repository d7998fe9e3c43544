/*
 * Between the files of a checkpoint's reader: checkpoint_read.c, which finds the parts and applies what they say, and
 * the two ways to read Parquet: checkpoint_parquet.c by ourselves, checkpoint_engine.c by the engine.
 */
#ifndef LAKE_CHECKPOINT_READER_H
#define LAKE_CHECKPOINT_READER_H

#include "lake/lake_internal.h"
#include "lake/log/action.h"

struct checkpoint_sidecar {
    const char *path;
    int64_t size_bytes; /* -1: not said */
};

struct checkpoint_reader {
    struct lake_snapshot *s;
    struct engine_conn *c; /* NULL: none */
    bool by_engine;
    struct lake_replay replay;
    struct lake_parser parser;
    struct lake_actions actions;
    VEC(struct checkpoint_sidecar) sidecars;
    int64_t says_version; /* of a V2 checkpoint, -1: it does not say */
};

/* The members that we read of each action; the first one is there in every row that holds the action. */
#define CHECKPOINT_ACTIONS 6
#define CHECKPOINT_MEMBERS 8
struct checkpoint_action {
    const char *name;
    const char *members[CHECKPOINT_MEMBERS + 1];
};
extern const struct checkpoint_action checkpoint_actions[CHECKPOINT_ACTIONS];

#define CHECKPOINT_FILE_ACTIONS 2
struct checkpoint_file_action {
    enum lake_action_kind kind;
    const char *name, *time;
};
extern const struct checkpoint_file_action checkpoint_file_actions[CHECKPOINT_FILE_ACTIONS];

/* Applies a text's actions, and keeps what is about the checkpoint itself. */
IG_MUST_CHECK enum ig_code checkpoint_take_text(struct checkpoint_reader *r, struct str text, struct error *err);
/* Applies a file. */
IG_MUST_CHECK enum ig_code checkpoint_take_file(struct checkpoint_reader *r, const struct lake_file_row *row,
                                                enum lake_action_kind kind, struct error *err);

/* Reads the Parquet files at these local paths. IG_UNSUPPORTED, of the first: they hold what it does not know;
 * something may have been applied. */
IG_MUST_CHECK enum ig_code checkpoint_read_parquet(struct checkpoint_reader *r, const char *const *paths, size_t n,
                                                   struct error *err);
IG_MUST_CHECK enum ig_code checkpoint_read_by_engine(struct checkpoint_reader *r, const char *const *paths, size_t n,
                                                     struct error *err);
/* The same for bytes in memory, for tests. */
struct parquet_input;
IG_MUST_CHECK enum ig_code checkpoint_read_input(struct checkpoint_reader *r, const struct parquet_input *in,
                                                 struct error *err);

#endif
