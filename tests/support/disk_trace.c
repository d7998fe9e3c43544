/*
 * Loaded before a program (LD_PRELOAD): writes down each change that it makes to files below INGOT_DISK_ROOT, in their
 * order, to INGOT_DISK_TRACE. support/disk.py makes of it what a power cut leaves.
 *
 * A record is a line "OP INODE OFFSET LENGTH\n" and LENGTH bytes: what was written, or names (two with a NUL between).
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static int trace = -1;
static char root[PATH_MAX];

__attribute__((constructor)) static void start(void)
{
    const char *where = getenv("INGOT_DISK_ROOT"), *to = getenv("INGOT_DISK_TRACE");

    if (!where || !to || !realpath(where, root))
        return;
    trace = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void all(const void *p, size_t n)
{
    while (n > 0) {
        const ssize_t done = syscall(SYS_write, trace, p, n);

        if (done <= 0)
            _exit(99); /* a trace with a hole would be believed */
        p = (const char *)p + done;
        n -= (size_t)done;
    }
}

static void note(const char *op, ino_t inode, int64_t at, const void *p, size_t n)
{
    char line[96];
    const int length =
        snprintf(line, sizeof(line), "%s %llu %lld %zu\n", op, (unsigned long long)inode, (long long)at, n);

    all(line, (size_t)length);
    all(p, n);
}

/* The path from the root on, if it is below; the folder's links resolved. */
static bool below(const char *path, char out[PATH_MAX])
{
    char folder[PATH_MAX], real[PATH_MAX];
    const size_t n = strlen(root);
    const char *base;

    if (trace < 0 || strlen(path) >= PATH_MAX - 2)
        return false;
    strcpy(folder, path);
    if (strrchr(folder, '/')) {
        base = path + (strrchr(folder, '/') - folder) + 1;
        folder[strrchr(folder, '/') - folder + 1] = '\0';
    } else {
        base = path;
        strcpy(folder, ".");
    }
    if (!realpath(folder, real) || strncmp(real, root, n) != 0 || (real[n] && real[n] != '/'))
        return false;
    return snprintf(out, PATH_MAX, "%s%s%s", real[n] ? real + n + 1 : "", real[n] ? "/" : "", base) < PATH_MAX;
}

static bool inode_of(int fd, ino_t *inode, bool *folder)
{
    char link[40], path[PATH_MAX];
    const size_t n = strlen(root);
    struct stat st;
    ssize_t got;

    if (trace < 0 || fstat(fd, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    got = readlink(link, path, sizeof(path) - 1);
    if (got < (ssize_t)n || strncmp(path, root, n) != 0)
        return false;
    *inode = st.st_ino;
    *folder = S_ISDIR(st.st_mode);
    return true;
}

#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

/* --- names ------------------------------------------------------------------------------------------------------ */

static int open_noted(int at, const char *path, int flags, mode_t mode)
{
    char name[PATH_MAX];
    bool made = false, folder;
    ino_t inode;
    int fd;

    if (!(flags & (O_CREAT | O_TRUNC)) || at != AT_FDCWD || !below(path, name))
        return (int)syscall(SYS_openat, at, path, flags, mode);
    pthread_mutex_lock(&guard);
    made = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && inode_of(fd, &inode, &folder)) {
        if (made)
            note("create", inode, 0, name, strlen(name));
        else if (flags & O_TRUNC)
            note("truncate", inode, 0, "", 0);
    }
    pthread_mutex_unlock(&guard);
    return fd;
}

#define MODE_OF(flags, mode)                    \
    do {                                        \
        va_list args;                           \
        va_start(args, flags);                  \
        if ((flags) & (O_CREAT | __O_TMPFILE))  \
            (mode) = (mode_t)va_arg(args, int); \
        va_end(args);                           \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, mode);
    return open_noted(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, mode);
    return open_noted(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    mode_t mode = 0;

    MODE_OF(flags, mode);
    return open_noted(at, path, flags, mode);
}

static int two_names(const char *op, const char *from, const char *to, int (*call)(const char *, const char *))
{
    char a[PATH_MAX], both[2 * PATH_MAX];
    size_t n;
    int rc;

    if (!below(from, a) || !below(to, both))
        return call(from, to);
    n = strlen(a) + 1;
    memmove(both + n, both, strlen(both) + 1);
    memcpy(both, a, n);
    pthread_mutex_lock(&guard);
    rc = call(from, to);
    if (rc == 0)
        note(op, 0, 0, both, n + strlen(both + n));
    pthread_mutex_unlock(&guard);
    return rc;
}

int rename(const char *from, const char *to)
{
    return two_names("rename", from, to, REAL(rename));
}

int link(const char *from, const char *to)
{
    return two_names("link", from, to, REAL(link));
}

static int one_name(const char *op, const char *path, int (*call)(const char *))
{
    char name[PATH_MAX];
    int rc;

    if (!below(path, name))
        return call(path);
    pthread_mutex_lock(&guard);
    rc = call(path);
    if (rc == 0)
        note(op, 0, 0, name, strlen(name));
    pthread_mutex_unlock(&guard);
    return rc;
}

int unlink(const char *path)
{
    return one_name("unlink", path, REAL(unlink));
}

int rmdir(const char *path)
{
    return one_name("rmdir", path, REAL(rmdir));
}

int mkdir(const char *path, mode_t mode)
{
    char name[PATH_MAX];
    struct stat st;
    int rc;

    if (!below(path, name))
        return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&guard);
    rc = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    if (rc == 0 && stat(path, &st) == 0)
        note("mkdir", st.st_ino, 0, name, strlen(name));
    pthread_mutex_unlock(&guard);
    return rc;
}

/* --- contents ----------------------------------------------------------------------------------------------------- */

static ssize_t write_noted(int fd, const void *p, size_t n, int64_t at)
{
    bool folder, noted = inode_of(fd, &(ino_t){0}, &folder);
    ino_t inode = 0;
    ssize_t done;

    if (!noted)
        return at < 0 ? syscall(SYS_write, fd, p, n) : syscall(SYS_pwrite64, fd, p, n, at);
    pthread_mutex_lock(&guard);
    (void)inode_of(fd, &inode, &folder);
    done = at < 0 ? syscall(SYS_write, fd, p, n) : syscall(SYS_pwrite64, fd, p, n, at);
    if (done > 0)
        note("write", inode, at < 0 ? (int64_t)lseek(fd, 0, SEEK_CUR) - done : at, p, (size_t)done);
    pthread_mutex_unlock(&guard);
    return done;
}

ssize_t write(int fd, const void *p, size_t n)
{
    return write_noted(fd, p, n, -1);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    return write_noted(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
    return write_noted(fd, p, n, at);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n_iov, off_t at)
{
    ssize_t sum = 0;

    for (int i = 0; i < n_iov; i++) {
        const ssize_t done = write_noted(fd, iov[i].iov_base, iov[i].iov_len, at + sum);

        if (done < 0)
            return sum ? sum : done;
        sum += done;
        if ((size_t)done < iov[i].iov_len)
            break;
    }
    return sum;
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n_iov, off64_t at)
{
    return pwritev(fd, iov, n_iov, at);
}

int ftruncate(int fd, off_t size)
{
    ino_t inode;
    bool folder, noted;
    int rc;

    pthread_mutex_lock(&guard);
    noted = inode_of(fd, &inode, &folder);
    rc = (int)syscall(SYS_ftruncate, fd, size);
    if (rc == 0 && noted)
        note("truncate", inode, size, "", 0);
    pthread_mutex_unlock(&guard);
    return rc;
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

static int sync_noted(int fd, long number)
{
    ino_t inode;
    bool folder, noted;
    int rc;

    pthread_mutex_lock(&guard);
    noted = inode_of(fd, &inode, &folder);
    rc = (int)syscall(number, fd);
    if (rc == 0 && noted)
        note(folder ? "sync-folder" : "sync", inode, 0, "", 0);
    pthread_mutex_unlock(&guard);
    return rc;
}

int fsync(int fd)
{
    return sync_noted(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_noted(fd, SYS_fdatasync);
}
