/*
 * Sources: where records come from. A source gives records in an order of its own, each with a position; the pump
 * produces them to the domain's topic.
 *
 * No gap, and nothing twice where the source can be replayed by position (both kinds here can): the position goes along
 * with each record as header `ingot-source` ("NAME@POSITION"); what is stored (data/state.db) only ever points to where
 * everything before is acknowledged; after a restart the pump reads the tail of each partition and skips what
 * is in the log already.
 */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "base/base.h"
#include "conf/conf.h"
#include "log/log.h"

struct source_pump;

struct source_progress {
    int64_t produced, acknowledged; /* records, since the start of the pump */
    int64_t bytes;
    int64_t total;    /* records there will be, -1 if unknown or endless */
    int64_t refused;  /* no records, or too large for the log: they are in the DLQ */
    int64_t failures; /* files that could not be read so far: they were passed over, `error` names the first */
    bool finished;    /* a source with an end has reached it, and all is acknowledged */
    bool failed;      /* the pump is over, and `error` says what could not be taken; perhaps only some files */
    struct error error;
};

struct source_options {
    struct env *env;
    const struct conf *conf;
    const struct conf_domain *domain;
    struct log_client *log;
    bool to_end; /* `run`: read what there is now at full speed (a file to its end, a generator to its count; one
                    without a count gives nothing) and finish; otherwise keep going at the source's rate */
};

/* Starts a thread that pumps until the source's end or source_stop. IG_INVALID: the domain has no source. */
IG_MUST_CHECK enum ig_code source_start(const struct source_options *options, struct source_pump **out,
                                        struct error *err);
void source_progress(struct source_pump *p, struct source_progress *out); /* any thread */
/* Stops reading, waits for what is in flight, stores the position, frees the pump. */
IG_MUST_CHECK enum ig_code source_stop(struct source_pump *p, struct error *err);

#endif
