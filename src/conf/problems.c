#include "conf/problems.h"

#include <stdio.h>
#include <stdlib.h>

void problems_addv(struct conf_problems *problems, const char *file, int line, int column, const char *fmt, va_list ap)
{
    struct conf_problem p = {.file = check_strdup(file), .line = line, .column = column};
    va_list again;
    int n;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    IG_ASSERT(n >= 0);
    p.text = check_malloc((size_t)n + 1);
    vsnprintf(p.text, (size_t)n + 1, fmt, ap);
    vec_push(problems, p);
}

void problems_add(struct conf_problems *problems, const char *file, int line, int column, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    problems_addv(problems, file, line, column, fmt, ap);
    va_end(ap);
}

static int compare(const void *left, const void *right)
{
    const struct conf_problem *a = left, *b = right;
    const int file = strcmp(a->file, b->file);

    if (file)
        return file;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return strcmp(a->text, b->text);
}

void problems_sort(struct conf_problems *problems)
{
    size_t kept = 0;

    if (problems->n == 0)
        return;
    qsort(problems->p, problems->n, sizeof(*problems->p), compare);
    for (size_t i = 1; i < problems->n; i++) {
        if (compare(&problems->p[kept], &problems->p[i]) == 0) {
            free(problems->p[i].file);
            free(problems->p[i].text);
        } else {
            problems->p[++kept] = problems->p[i];
        }
    }
    problems->n = kept + 1;
}

void conf_problems_free(struct conf_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++) {
        free(problems->p[i].file);
        free(problems->p[i].text);
    }
    vec_free(problems);
}
