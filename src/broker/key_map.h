/*
 * The newest offset of each key, within a given memory: what compaction goes by. Keys are known by 128 bits of a
 * cryptographic hash; that two are taken for one is as likely as with Kafka: it does not happen.
 */
#ifndef BROKER_KEY_MAP_H
#define BROKER_KEY_MAP_H

#include "base/base.h"

struct key_map {
    struct key_slot *slots;
    size_t cap, n;
    int64_t latest; /* the last offset that was put; -1: none */
};

/* Room for so many keys, but not for more than fit into `bytes`. */
void key_map_init(struct key_map *m, size_t keys, size_t bytes);
void key_map_free(struct key_map *m);
/* False: it is full, and nothing was put. Offsets only grow. */
bool key_map_put(struct key_map *m, struct str key, int64_t offset);
/* -1: the key is not there. */
int64_t key_map_get(const struct key_map *m, struct str key);

#endif
