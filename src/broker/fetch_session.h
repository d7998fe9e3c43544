/*
 * Fetch sessions (KIP-227): a client names its partitions once, later only what has changed, and hears only of
 * partitions that have news. The broker keeps a bounded number of them, and makes room by forgetting one that has not
 * been used for a while; a client whose session is gone begins a new one.
 *
 * A request reads the session's partitions into a list of its own (struct fetch_list) when it comes, because the
 * session may be gone or changed when the answer is written.
 */
#ifndef BROKER_FETCH_SESSION_H
#define BROKER_FETCH_SESSION_H

#include "broker/broker_internal.h"

#define FETCH_EPOCH_FULL 0   /* a new session, or none if there is no room */
#define FETCH_EPOCH_FINAL -1 /* no session; the one that is named ends */

/* One partition that is asked for. */
struct fetch_item {
    struct str topic; /* by name (p NULL: by id); not owned */
    struct wire_uuid topic_id;
    int32_t partition, current_leader_epoch, max_bytes;
    int64_t offset;
    /* as found when the request came */
    const char *topic_name; /* NULL: there is no such topic */
    struct partition *p;    /* NULL: error_code says why */
    int16_t error_code;
};
struct fetch_list {
    struct fetch_item *p;
    size_t n;
    int32_t session_id; /* to be answered; 0: there is no session */
    bool incremental;   /* partitions without news are left out of the answer */
};

struct fetch_sessions *fetch_sessions_new(struct broker *b);
void fetch_sessions_free(struct fetch_sessions *fs);
size_t fetch_sessions_count(const struct fetch_sessions *fs);

/* What the request asks for, in its arena. An error is the answer to all of it. */
enum kafka_error fetch_sessions_list(struct fetch_sessions *fs, struct request *r, struct fetch_list *out);
/* Is there news of this partition for the client, in comparison with what the session has told before? Notes that it is
 * told now; a partition that brings records goes to the end, so that it is the others' turn. */
bool fetch_sessions_tell(struct fetch_sessions *fs, const struct fetch_list *list, const struct fetch_item *item,
                         const struct wire_fetch_partition_result *news);

#endif
