/*
 * Who may log in: users of the configuration, with passwords or SCRAM verifiers, and those that administrators made
 * through the protocol, of whom only verifiers are kept.
 */
#ifndef BROKER_USERS_H
#define BROKER_USERS_H

#include "broker/scram.h"

#define USERS_SECRET_BYTES 32

struct user {
    char *name;
    bool configured;   /* stands in the configuration: not to be changed through the protocol */
    bool has_password; /* known to PLAIN */
    uint8_t password_mac[32];
    bool has[SCRAM_HASHES];
    struct scram_verifier scram[SCRAM_HASHES];
};

struct users {
    VEC(struct user *) list; /* by name */
    /* Makes salts for users without one of their own, also for those who do not exist. */
    uint8_t secret[USERS_SECRET_BYTES];
};

void users_init(struct users *us, const uint8_t secret[USERS_SECRET_BYTES]);
void users_release(struct users *us);
struct user *users_find(const struct users *us, struct str name);
/* Finds or makes. */
struct user *users_named(struct users *us, struct str name);
/* For PLAIN; and, if `scram`, verifiers are derived from it (which takes a few milliseconds each). */
void users_set_password(struct users *us, struct user *u, struct str password, bool scram);
bool users_password_ok(const struct users *us, struct str name, struct str password);
/* Forgets a verifier; a user who has nothing left is gone. */
void users_drop_scram(struct users *us, struct user *u, enum scram_hash hash);
/* Those that were not configured. */
void users_drop_stored(struct users *us);
scram_find_fn users_find_scram; /* ctx: struct users */

#endif
