/*
 * The pump: one thread that takes a reader's items to the log.
 *
 * Every item is a flight: it starts when it is produced and has landed when the log has acknowledged it (or when it
 * was in the log before). Flights are kept in the order of the items; the stored position and bounds only follow the
 * landed ones at the front, so a crash at any moment leaves a position behind which nothing is missing, and tail.h
 * finds what is beyond it.
 *
 * pump.c has the thread and its sessions with the log, pump_items.c what happens to one item, pump_flights.c what
 * becomes of it.
 */
#ifndef SOURCE_PUMP_H
#define SOURCE_PUMP_H

#include "source/reader.h"
#include "source/tail.h"

#include <pthread.h>
#include <stdatomic.h>

#define PUMP_FLIGHTS 32768 /* a power of two */

enum flight_state { FLYING, LANDED, REFUSED };

struct flight {
    struct source_part *part;
    int64_t ordinal; /* -1: not an item but the part's end */
    int64_t offset;
    struct source_bound *bound; /* of the partition it landed in; NULL: nothing was produced */
    enum flight_state state;
    bool is_record; /* counts as acknowledged */
    bool is_dead;   /* goes to the DLQ */
    char *copy;     /* of a value that may be refused */
    size_t copy_n;
};

struct source_pump {
    struct source_options options;
    const struct conf_domain *domain;
    struct env_thread *thread;
    _Atomic bool stop;
    pthread_mutex_t lock; /* guards progress */
    struct source_progress progress;
    struct source_state *state;

    /* the rest is the thread's alone; first what lasts for one session with the log */
    struct source_reader *reader;
    struct log_producer *producer;
    struct tail tail;
    int32_t partitions, dlq_partitions;
    struct source_bound **bounds, **dlq_bounds; /* by partition */
    struct flight *flights;                     /* ring: [first, next) */
    uint64_t first, next;
    struct error lost; /* a delivery that failed: the session is over */
    const struct source_part *hashed;
    uint64_t part_hash; /* of `hashed` */
    int64_t stored_ms;
    /* and what lasts longer */
    struct buf key_path, key, position;
    int64_t rate_start_us, rate_n; /* since when, how many */
    int64_t produced, landed, bytes, refused;
};

/* --- pump_flights.c --- */

static inline struct flight *pump_flight(struct source_pump *p, uint64_t i)
{
    return &p->flights[i & (PUMP_FLIGHTS - 1)];
}
/* The callback of the producer; `tag` is the flight's number. */
void pump_on_delivered(void *ctx, void *tag, int32_t partition, int64_t offset, const struct error *err);
/* A flight's number, once there is room for one. */
IG_MUST_CHECK enum ig_code pump_take_off(struct source_pump *p, struct source_part *part, int64_t ordinal,
                                         uint64_t *out, struct error *err);
/* Produces what is no record to the DLQ. */
IG_MUST_CHECK enum ig_code pump_bury(struct source_pump *p, uint64_t i, struct str value, const char *reason,
                                     struct str detail, struct error *err);
/* The same for the beginning of a record that the log would not take. */
IG_MUST_CHECK enum ig_code pump_bury_refused(struct source_pump *p, uint64_t i, struct str value, struct error *err);
/* Everything that goes on beside producing; waits at most `wait_ms` for acknowledgements. */
IG_MUST_CHECK enum ig_code pump_tick(struct source_pump *p, int64_t wait_ms, struct error *err);
/* Waits for what is in flight, and stores the position. */
IG_MUST_CHECK enum ig_code pump_land(struct source_pump *p, struct error *err);
void pump_publish(struct source_pump *p);
/* p->position: what goes along with a record. */
void pump_set_position(struct source_pump *p, const struct source_part *part, int64_t ordinal);

/* --- pump_items.c --- */

/* Takes one item to the log, when it is its turn. After `stop` it may have done nothing. */
IG_MUST_CHECK enum ig_code pump_item(struct source_pump *p, struct source_part *part, const struct source_item *item,
                                     struct error *err);

#endif
