/* DescribeUserScramCredentials, AlterUserScramCredentials. */
#include "broker/broker_internal.h"
#include "broker/security.h"

/* --- describe ------------------------------------------------------------------------------------------------------
 */

static void describe_user(struct request *r, const struct user *u, struct wire_scram_user_result *out)
{
    RESPONSE_ITEMS(r, out->credentials, scram_credential, SCRAM_HASHES);
    out->credentials.n = 0;
    for (int h = SCRAM_SHA_256; h <= SCRAM_SHA_512; h++) {
        if (u->has[h])
            out->credentials.p[out->credentials.n++] =
                (struct wire_scram_credential){(int8_t)h, u->scram[h].iterations};
    }
}

static void describe_all(struct request *r, struct wire_describe_scram_response *response)
{
    const struct users *us = &r->b->security->users;

    RESPONSE_ITEMS(r, response->results, scram_user_result, us->list.n);
    response->results.n = 0;
    for (size_t i = 0; i < us->list.n; i++) {
        const struct user *u = us->list.p[i];
        struct wire_scram_user_result *out = &response->results.p[response->results.n];

        if (!u->has[SCRAM_SHA_256] && !u->has[SCRAM_SHA_512])
            continue;
        out->user = str_of(arena_strdup(&r->arena, u->name));
        describe_user(r, u, out);
        response->results.n++;
    }
}

static void describe_named(struct request *r, const struct wire_describe_scram_request *in,
                           struct wire_describe_scram_response *response)
{
    RESPONSE_ITEMS(r, response->results, scram_user_result, in->users.n);
    response->results.n = 0;
    for (int32_t i = 0; i < in->users.n; i++) {
        const struct str name = in->users.p[i].name;
        const struct user *u = users_find(&r->b->security->users, name);
        struct wire_scram_user_result *out = &response->results.p[response->results.n];
        int32_t times = 0;
        bool before = false;

        for (int32_t k = 0; k < in->users.n; k++) {
            times += str_eq(in->users.p[k].name, name);
            before |= k < i && str_eq(in->users.p[k].name, name);
        }
        if (before)
            continue;
        response->results.n++;
        out->user = name;
        if (times > 1) {
            out->error_code = KAFKA_DUPLICATE_RESOURCE;
            out->error_message = str_of(arena_printf(
                &r->arena, "Cannot describe SCRAM credentials for the same user twice in a single request: " STR_FMT,
                STR_ARG(name)));
        } else if (!u || (!u->has[SCRAM_SHA_256] && !u->has[SCRAM_SHA_512])) {
            out->error_code = KAFKA_RESOURCE_NOT_FOUND;
            out->error_message = str_of(arena_printf(
                &r->arena, "Attempt to describe a user credential that does not exist: " STR_FMT, STR_ARG(name)));
        } else {
            describe_user(r, u, out);
        }
    }
}

void api_describe_scram(struct request *r)
{
    const struct wire_describe_scram_request *in = r->body;
    struct wire_describe_scram_response *response = RESPONSE_NEW(r, describe_scram_response);

    if (!request_may_cluster(r, ACL_DESCRIBE)) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    } else if (in->users.n > 1000) { /* each is compared with each */
        response->error_code = KAFKA_INVALID_REQUEST;
        response->error_message = STR("too many users at once");
    } else if (in->users.n <= 0) {
        describe_all(r, response);
    } else {
        describe_named(r, in, response);
    }
    request_answer(r, response);
}

/* --- alter -----------------------------------------------------------------------------------------------------------
 */

#define CHANGES_MAX 1000 /* each is compared with each */

/* One change of the request, a deletion or an upsertion. */
struct change {
    struct str user;
    int8_t mechanism;
    const struct wire_scram_upsertion *upsert; /* NULL: a deletion */
    int16_t error_code;
    const char *problem;
};

static void refuse(struct change *c, enum kafka_error e, const char *problem)
{
    c->error_code = (int16_t)e;
    c->problem = problem;
}

static void check(const struct users *us, struct change *c)
{
    const struct user *u = users_find(us, c->user);

    if (c->user.n == 0)
        refuse(c, KAFKA_UNACCEPTABLE_CREDENTIAL, "Username must not be empty");
    else if (c->user.n > 1024 || memchr(c->user.p, '\0', c->user.n))
        refuse(c, KAFKA_UNACCEPTABLE_CREDENTIAL, "Username is too long, or holds a NUL");
    else if (c->mechanism != SCRAM_SHA_256 && c->mechanism != SCRAM_SHA_512)
        refuse(c, KAFKA_UNSUPPORTED_SASL_MECHANISM, "Unknown SCRAM mechanism");
    else if (u && u->configured)
        refuse(c, KAFKA_UNACCEPTABLE_CREDENTIAL, "The user stands in the broker's configuration, and is changed there");
    else if (!c->upsert && (!u || !u->has[c->mechanism]))
        refuse(c, KAFKA_RESOURCE_NOT_FOUND, "Attempt to delete a user credential that does not exist");
    else if (c->upsert && c->upsert->iterations < SCRAM_ITERATIONS_MIN)
        refuse(c, KAFKA_UNACCEPTABLE_CREDENTIAL, "Too few iterations");
    else if (c->upsert && c->upsert->iterations > SCRAM_ITERATIONS_MAX)
        refuse(c, KAFKA_UNACCEPTABLE_CREDENTIAL, "Too many iterations");
    else if (c->upsert && (c->upsert->salt.n == 0 || c->upsert->salt.n > SCRAM_SALT_MAX))
        refuse(c, KAFKA_UNACCEPTABLE_CREDENTIAL, "The salt is empty or too long");
    else if (c->upsert && c->upsert->salted_password.n != scram_key_bytes((enum scram_hash)c->mechanism))
        refuse(c, KAFKA_UNACCEPTABLE_CREDENTIAL, "The salted password is not as long as the mechanism's hash");
}

static void apply(struct users *us, const struct change *c)
{
    const enum scram_hash hash = (enum scram_hash)c->mechanism;
    struct user *u;

    if (!c->upsert) {
        users_drop_scram(us, users_find(us, c->user), hash);
        return;
    }
    u = users_named(us, c->user);
    u->scram[hash] =
        (struct scram_verifier){.hash = hash, .iterations = c->upsert->iterations, .salt_n = c->upsert->salt.n};
    memcpy(u->scram[hash].salt, c->upsert->salt.p, c->upsert->salt.n);
    u->has[hash] = scram_derive_salted(&u->scram[hash], c->upsert->salted_password, NULL) == IG_OK;
}

static size_t list_changes(const struct wire_alter_scram_request *in, struct change *changes)
{
    size_t n = 0;

    for (int32_t i = 0; i < in->deletions.n; i++)
        changes[n++] = (struct change){.user = in->deletions.p[i].name, .mechanism = in->deletions.p[i].mechanism};
    for (int32_t i = 0; i < in->upsertions.n; i++)
        changes[n++] = (struct change){.user = in->upsertions.p[i].name,
                                       .mechanism = in->upsertions.p[i].mechanism,
                                       .upsert = &in->upsertions.p[i]};
    return n;
}

/* A user's changes happen all or not at all; one that is wrong spoils the others of its user. */
static void check_together(struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n; k++) {
            if (i == k || !str_eq(changes[i].user, changes[k].user))
                continue;
            if (changes[i].mechanism == changes[k].mechanism)
                refuse(&changes[i], KAFKA_DUPLICATE_RESOURCE,
                       "A user credential cannot be altered twice in the same request");
            else if (!changes[i].error_code && changes[k].error_code)
                refuse(&changes[i], (enum kafka_error)changes[k].error_code, changes[k].problem);
        }
    }
}

/* One result for each user. */
static void report(struct request *r, const struct change *changes, size_t n,
                   struct wire_alter_scram_response *response)
{
    RESPONSE_ITEMS(r, response->results, alter_scram_result, n);
    response->results.n = 0;
    for (size_t i = 0; i < n; i++) {
        bool before = false;

        for (size_t k = 0; k < i; k++)
            before |= str_eq(changes[k].user, changes[i].user);
        if (!before)
            response->results.p[response->results.n++] =
                (struct wire_alter_scram_result){changes[i].user, changes[i].error_code, str_of(changes[i].problem)};
    }
}

static void alter(struct request *r, struct change *changes, size_t n)
{
    struct security *s = r->b->security;
    struct error err;
    size_t applied = 0;

    for (size_t i = 0; i < n; i++)
        check(&s->users, &changes[i]);
    check_together(changes, n);
    for (size_t i = 0; i < n; i++) {
        if (changes[i].error_code)
            continue;
        apply(&s->users, &changes[i]);
        applied++;
    }
    if (applied == 0 || security_save(s, &err) == IG_OK)
        return;
    log_error(r->b->env, "broker", "users: %s", err.msg);
    for (size_t i = 0; i < n; i++) {
        if (!changes[i].error_code)
            refuse(&changes[i], KAFKA_STORAGE_ERROR, "The change could not be written to the disk");
    }
}

void api_alter_scram(struct request *r)
{
    const struct wire_alter_scram_request *in = r->body;
    struct wire_alter_scram_response *response = RESPONSE_NEW(r, alter_scram_response);
    const size_t n =
        (size_t)(in->deletions.n > 0 ? in->deletions.n : 0) + (size_t)(in->upsertions.n > 0 ? in->upsertions.n : 0);
    struct change *changes = ARENA_ARRAY(&r->arena, struct change, n + 1);

    list_changes(in, changes);
    if (n > CHANGES_MAX) {
        for (size_t i = 0; i < n; i++)
            refuse(&changes[i], KAFKA_INVALID_REQUEST, "Too many changes at once");
        report(r, changes, 1, response);
        request_answer(r, response);
        return;
    }
    if (request_may_cluster(r, ACL_ALTER)) {
        alter(r, changes, n);
    } else {
        for (size_t i = 0; i < n; i++)
            refuse(&changes[i], KAFKA_CLUSTER_AUTHORIZATION_FAILED, NULL);
    }
    report(r, changes, n, response);
    request_answer(r, response);
}
