/*
 * The transition table, as pure functions.
 */
#include "lifecycle/lifecycle.h"

static const struct {
    const char *name, *text;
} states[LIFECYCLE_STATE_COUNT] = {[LIFECYCLE_NONE] = {"", "no state"},
#define X(name, text) [LIFECYCLE_##name] = {#name, text},
                                   LIFECYCLE_STATES(X)
#undef X
};

static const enum lifecycle_state moves[LIFECYCLE_STATE_COUNT][LIFECYCLE_EVENT_COUNT] = {
#define X(from, event, to) [LIFECYCLE_##from][LIFECYCLE_ON_##event] = LIFECYCLE_##to,
    LIFECYCLE_MOVES(X)
#undef X
};

enum lifecycle_state lifecycle_next(enum lifecycle_state from, enum lifecycle_event event)
{
    if ((unsigned)from >= LIFECYCLE_STATE_COUNT || (unsigned)event >= LIFECYCLE_EVENT_COUNT)
        return LIFECYCLE_NONE;
    return moves[from][event];
}

const char *lifecycle_state_name(enum lifecycle_state s)
{
    return (unsigned)s < LIFECYCLE_STATE_COUNT ? states[s].name : "";
}

const char *lifecycle_state_text(enum lifecycle_state s)
{
    return (unsigned)s < LIFECYCLE_STATE_COUNT ? states[s].text : "";
}

enum lifecycle_state lifecycle_state_of(struct str name)
{
    for (unsigned s = LIFECYCLE_NONE + 1; s < LIFECYCLE_STATE_COUNT; s++) {
        if (str_is(name, states[s].name))
            return (enum lifecycle_state)s;
    }
    return LIFECYCLE_NONE;
}
