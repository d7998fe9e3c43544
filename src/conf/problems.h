/* The list of mistakes while a project is being read. */
#ifndef CONF_PROBLEMS_H
#define CONF_PROBLEMS_H

#include "conf/conf.h"

void problems_add(struct conf_problems *problems, const char *file, int line, int column, const char *fmt, ...)
    IG_PRINTF(5, 6);
void problems_addv(struct conf_problems *problems, const char *file, int line, int column, const char *fmt, va_list ap)
    IG_PRINTF(5, 0);
/* By file, line, column; a mistake that was found twice (through an alias) is kept once. */
void problems_sort(struct conf_problems *problems);

#endif
