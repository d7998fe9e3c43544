/* The command line's entry; everything is in cli/. */
#include "cli/cli.h"

#include <signal.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    struct env *env = env_real_new();
    int status;

    /* A peer or a pipe that goes away is an error of the write, not the end of the process. */
    signal(SIGPIPE, SIG_IGN);
    /* So is a file that may not grow any more (ulimit -f). */
    signal(SIGXFSZ, SIG_IGN);
    status = cli_run(env, argc, argv, stdout, stderr);
    env_real_free(env);
    return status;
}
