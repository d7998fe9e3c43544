/* The inside of a struct http_client. */
#ifndef STORE_HTTP_INTERNAL_H
#define STORE_HTTP_INTERNAL_H

#include "store/http.h"

#include <curl/curl.h>
#include <pthread.h>

/* The budget of repeats, as AWS's SDKs have it: a repeat costs, an answer pays back. A store that is down for good is
 * then not asked ten times by each of a hundred requests. */
#define HTTP_RETRY_TOKENS 500
#define HTTP_RETRY_COST 5

struct http_client {
    struct env *env;
    struct http_options o;
    char *ca_file, *user_agent;
    CURLSH *share; /* names and TLS sessions, for all handles */
    pthread_mutex_t share_locks[CURL_LOCK_DATA_LAST];
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t freed;
    VEC(CURL *) idle;
    unsigned n_busy;
    int retry_tokens;
    bool hurry; /* no repeats: who asks is ending */
    struct http_counts counts;
};

#endif
