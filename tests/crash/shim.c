/* A disk that forgets and a disk that is slow, for the crash tests. Loaded with LD_PRELOAD.
 *
 * TOCSIN_TEST_SHIM_ROOT    only files below this folder are watched
 * TOCSIN_TEST_SHIM_SHADOW  every fsync and fdatasync copies the file, as it is then, into this folder: what would be on the
 *                     platters if the power went now. Truncation and unlinking count once the file is synced again.
 * TOCSIN_TEST_SHIM_DELAY_MS  every sync takes this much longer
 * TOCSIN_TEST_SHIM_STUCK  while this file is there, no write to a file beside or below it comes back
 *
 * The copy is made before the sync returns, so nobody can be told "it is safe" before it stands in the shadow.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t copying = PTHREAD_MUTEX_INITIALIZER;

static void keep(int fd)
{
    const char *root = getenv("TOCSIN_TEST_SHIM_ROOT"), *shadow = getenv("TOCSIN_TEST_SHIM_SHADOW");
    char link[64], path[PATH_MAX], target[PATH_MAX], partial[PATH_MAX + 16], block[1 << 16];
    struct stat status;
    if (!root || !shadow)
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return;
    path[length] = 0;
    size_t prefix = strlen(root);
    if (strncmp(path, root, prefix) || fstat(fd, &status) || !S_ISREG(status.st_mode))
        return;
    if (snprintf(target, sizeof target, "%s", shadow) < 0)
        return;
    size_t at = strlen(target);
    target[at++] = '/';
    for (const char *c = path + prefix + (path[prefix] == '/'); *c && at < sizeof target - 1; c++)
        target[at++] = *c == '/' ? '%' : *c;
    target[at] = 0;
    pthread_mutex_lock(&copying);
    snprintf(partial, sizeof partial, "%s.%d", target, getpid());
    int in = open(path, O_RDONLY | O_CLOEXEC), out = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (in >= 0 && out >= 0) {
        ssize_t got;
        int whole = 1;
        while ((got = read(in, block, sizeof block)) > 0)
            if (write(out, block, got) != got) {
                whole = 0;
                break;
            }
        if (whole && got == 0)
            rename(partial, target);
    }
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    pthread_mutex_unlock(&copying);
}

static void wait_for_the_disk(void)
{
    const char *delay = getenv("TOCSIN_TEST_SHIM_DELAY_MS");
    if (!delay)
        return;
    long ms = atol(delay);
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    while (nanosleep(&pause, &pause) && errno == EINTR)
        ;
}

static int synced(int fd, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    int result = real(fd);
    if (result == 0) {
        wait_for_the_disk();
        keep(fd);
    }
    return result;
}

ssize_t write(int fd, const void *data, size_t length)
{
    ssize_t (*real)(int, const void *, size_t) = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    const char *stuck = getenv("TOCSIN_TEST_SHIM_STUCK");
    char link[64], path[PATH_MAX];
    if (stuck && !access(stuck, F_OK)) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t found = readlink(link, path, sizeof path - 1);
        size_t folder = strrchr(stuck, '/') - stuck + 1;
        if (found > 0) {
            path[found] = 0;
            while (!strncmp(path, stuck, folder) && !access(stuck, F_OK))
                usleep(20000);
        }
    }
    return real(fd, data, length);
}

int fsync(int fd)
{
    return synced(fd, "fsync");
}

int fdatasync(int fd)
{
    return synced(fd, "fdatasync");
}
