/*
 * Runs table operations from standard input on the store in the folder given: for the tests with foreign engines,
 * tests/interop/test_lake.py. An answer is the operation's JSON lines, then "ok" or "CODE: message". Without a folder
 * it does nothing.
 */
#include "lake/script.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct env *env = env_real_new();
    struct error err = {0};
    struct script s = {0};
    char *line = NULL;
    size_t cap = 0;
    int status = 0;

    if (argc < 2)
        goto out;
    if (script_open(&s, env, argv[1], &err)) {
        fprintf(stderr, "%s\n", err.msg);
        status = 1;
        goto out;
    }
    while (getline(&line, &cap, stdin) > 0) {
        struct buf out;
        enum ig_code rc;

        buf_init(&out, 0);
        rc = script_run(&s, line, &out, &err);
        fputs(buf_cstr(&out), stdout);
        for (char *p = rc ? strchr(err.msg, '\n') : NULL; p; p = strchr(p, '\n')) /* an answer is one line */
            *p = ' ';
        if (rc)
            printf("%s: %s\n", error_code_name(rc), err.msg);
        else
            puts("ok");
        fflush(stdout);
        buf_release(&out);
    }
    script_close(&s);
out:
    free(line);
    env_real_free(env);
    return status;
}
