/*
 * Kills the process exactly before a part of the database appears. A part is written into a directory tmp_insert_... and
 * becomes visible when that is renamed to all_... or to its day; the token of the insert is recorded before. A kill
 * between the two burns the token: the engine says "already there" to every retry, and the rows are not there.
 *
 * GATEMETER_RENAME_KILL   raise SIGKILL before the k-th such rename, k from 1
 * GATEMETER_RENAME_PATH   count only paths that contain this text; unset counts all
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_long renames;

static void before(const char *from)
{
    const char *kill_at = getenv("GATEMETER_RENAME_KILL");
    const char *path = getenv("GATEMETER_RENAME_PATH");
    if (kill_at == NULL || from == NULL || strstr(from, "/tmp_insert_") == NULL)
        return;
    if (path != NULL && strstr(from, path) == NULL)
        return;
    if (atomic_fetch_add(&renames, 1) + 1 == atol(kill_at))
        raise(SIGKILL);
}

int rename(const char *from, const char *to)
{
    int (*next)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    before(from);
    return next(from, to);
}

int renameat(int from_directory, const char *from, int to_directory, const char *to)
{
    int (*next)(int, const char *, int, const char *) = dlsym(RTLD_NEXT, "renameat");
    before(from);
    return next(from_directory, from, to_directory, to);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned int flags)
{
    int (*next)(int, const char *, int, const char *, unsigned int) = dlsym(RTLD_NEXT, "renameat2");
    before(from);
    return next(from_directory, from, to_directory, to, flags);
}
