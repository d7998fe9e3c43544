/*
 * The verbs of this program, in the order of `ingot help`. Add yours here when its file is there.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#define CLI_VERBS(X) \
    X(init)          \
    X(up)            \
    X(run)           \
    X(status)        \
    X(query)         \
    X(table)         \
    X(trace)         \
    X(audit)         \
    X(check)         \
    X(topic)         \
    X(produce)       \
    X(consume)       \
    X(groups)        \
    X(dlq)           \
    X(broker)        \
    X(version)       \
    X(help)

#endif
