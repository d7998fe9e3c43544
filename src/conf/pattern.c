/* How big a regular expression is for those who compile it. */
#include "conf/keys.h"

#include <inttypes.h>
#include <stdio.h>

#define PATTERN_DEPTH_MAX 50 /* of parentheses; deeper ones count as too long */

/* Behind a bracket expression, which may begin with ']' or '^]'. */
static const char *skip_brackets(const char *p)
{
    p += p[1] == '^' ? 2 : 1;
    p += *p == ']';
    while (*p && *p != ']')
        p++;
    return *p ? p + 1 : p;
}

/* How long a pattern is once repetitions are written out, as regcomp does; nested ones multiply. */
static double written_out(const char **p, unsigned depth)
{
    double total = 0, atom = 0;

    while (**p && **p != ')') {
        int64_t low = 0, high = 0;
        const char c = **p;

        if (c == '{' && sscanf(*p, "{%" SCNd64 ",%" SCNd64, &low, &high) > 0) {
            const double times = (double)(high > low ? high : low);

            total += atom * (times - 1);
            atom *= times;
            ++*p;
            continue;
        }
        if (c == '[') {
            *p = skip_brackets(*p);
            atom = 1;
        } else if (c == '(') {
            ++*p;
            atom = depth < PATTERN_DEPTH_MAX ? 1 + written_out(p, depth + 1) : 1e9;
            *p += **p == ')';
        } else {
            *p += c == '\\' && (*p)[1] ? 2 : 1;
            atom = 1;
        }
        total += atom;
    }
    return total;
}

double conf_pattern_length(const char *pattern)
{
    return written_out(&pattern, 0);
}
