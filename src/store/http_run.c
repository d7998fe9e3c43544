/* Repeating requests: when, how often, and what is then still known. */
#include "store/http_internal.h"

#define PAUSE_MAX_MS 10000
#define HURRY_LOOK_MS 100
#define TRIES_OF_A_NAME 4

enum http_verdict http_judge_status(const struct http_response *r)
{
    switch (r->status) {
    case 408:
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        return HTTP_AGAIN;
    default:
        return HTTP_DONE;
    }
}

/* May one more repeat be paid for? */
static bool take_tokens(struct http_client *c)
{
    bool ok;

    pthread_mutex_lock(&c->lock);
    ok = c->retry_tokens >= HTTP_RETRY_COST;
    c->retry_tokens -= ok ? HTTP_RETRY_COST : 0;
    pthread_mutex_unlock(&c->lock);
    return ok;
}

/* A good answer gives back what its repeats took, and a little to what others lost. */
static void give_tokens(struct http_client *c, unsigned tries)
{
    const int n = tries > 1 ? (int)(tries - 1) * HTTP_RETRY_COST : 1;

    pthread_mutex_lock(&c->lock);
    c->retry_tokens = c->retry_tokens + n < HTTP_RETRY_TOKENS ? c->retry_tokens + n : HTTP_RETRY_TOKENS;
    pthread_mutex_unlock(&c->lock);
}

static int64_t jittered(struct env *env, int64_t ms)
{
    uint32_t random;

    env_random(env, &random, sizeof(random));
    return ms / 2 + (int64_t)(random % (uint64_t)(ms / 2 + 1));
}

static int64_t pause_ms(struct http_client *c, unsigned try, const struct http_response *r, bool answered)
{
    int64_t ms = c->o.backoff_ms, asked_s;

    for (unsigned i = 0; i < try && ms < PAUSE_MAX_MS; i++)
        ms *= 2;
    ms = jittered(c->env, ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS);
    /* In seconds; the other form, a date, is not sent by object stores. */
    if (answered && str_to_int64(http_header(r, "Retry-After"), 0, 3600, &asked_s) && asked_s * 1000 > ms)
        ms = asked_s * 1000;
    return ms;
}

struct run {
    struct http_client *c;
    const struct http_job *job;
    struct http_response *response;
    int64_t start_ms;
};

/* One try. `again`: it is worth repeating. */
static enum ig_code one_try(struct run *r, unsigned try, enum http_verdict *verdict, struct error *err)
{
    struct http_request request = {0};
    struct http_response *response = r->response;
    size_t before;
    enum ig_code rc;

    *verdict = HTTP_DONE;
    response->sent = HTTP_NOT_SENT;
    response->tries = try + 1;
    IG_TRY(r->job->prepare(r->job->ctx, try, &request, err));
    before = request.out ? request.out->n : 0;
    rc = http_send(r->c, &request, response, err);
    if (rc == IG_UNAVAILABLE)
        *verdict = HTTP_AGAIN;
    else if (rc == IG_OK)
        *verdict = r->job->judge ? r->job->judge(r->job->ctx, response) : http_judge_status(response);
    if ((rc || *verdict != HTTP_DONE) && request.out && request.out->n > before) {
        request.out->n = before;
        request.out->p[before] = '\0';
    }
    return rc;
}

void http_client_hurry(struct http_client *c, bool hurry)
{
    pthread_mutex_lock(&c->lock);
    c->hurry = hurry;
    pthread_mutex_unlock(&c->lock);
}

static bool is_hurried(struct http_client *c)
{
    bool hurry;

    pthread_mutex_lock(&c->lock);
    hurry = c->hurry;
    pthread_mutex_unlock(&c->lock);
    return hurry;
}

static bool sleep_unless_hurried(struct http_client *c, int64_t ms)
{
    for (; ms > 0 && !is_hurried(c); ms -= HURRY_LOOK_MS)
        env_sleep_ms(c->env, ms < HURRY_LOOK_MS ? ms : HURRY_LOOK_MS);
    return !is_hurried(c);
}

/* Is there time and budget for one more? Then waits. */
static bool wait_for_next(struct run *r, unsigned try, enum http_verdict verdict, bool answered)
{
    const int64_t spent_ms = env_monotonic_ms(r->c->env) - r->start_ms;
    const int64_t ms = verdict == HTTP_AGAIN_NOW ? 0 : pause_ms(r->c, try, r->response, answered);

    if (r->response->no_such_host && try + 1 >= TRIES_OF_A_NAME)
        return false;
    if (try + 1 >= r->c->o.tries || spent_ms + ms >= r->c->o.retry_ms || !take_tokens(r->c))
        return false;
    return sleep_unless_hurried(r->c, ms);
}

enum ig_code http_run(struct http_client *c, const struct http_job *job, struct http_response *response,
                      struct error *err)
{
    struct run r = {c, job, response, env_monotonic_ms(c->env)};

    response->maybe_applied = false;
    for (unsigned try = 0;; try++) {
        enum http_verdict verdict;
        const enum ig_code rc = one_try(&r, try, &verdict, err);
        const bool answered = rc == IG_OK;

        if (verdict == HTTP_DONE) {
            if (answered && response->status < 500)
                give_tokens(c, try + 1);
            return rc;
        }
        if (!wait_for_next(&r, try, verdict, answered))
            return rc && try > 0 ? error_context(err, rc, "given up after %u tries", try + 1) : rc;
        if (response->sent == HTTP_LOST || (answered && response->status >= 500))
            response->maybe_applied = true;
    }
}
