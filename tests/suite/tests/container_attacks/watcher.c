/*
 * Looks at every other process in its pid namespace, again and again, for something that this container does not have:
 *
 *   watcher FILE TERCES NAMESPACE...
 *
 * FILE is a file of the host. TERCES is a text in the environment of hull's caller, written backwards, because hull
 * itself reads this container's command line. Each NAMESPACE is one of the host's, as readlink(2) of /proc/PID/ns/NAME
 * shows it. Each finding is a line "LEAK ..."; "SEEN n" tells how many processes were hull's and not yet the program,
 * and "LOOKED" that every process has been looked at once.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned long long own_caps;
static int own_seccomp;
static unsigned seen, last_seen;
static char memory[1 << 16];

static int slurp(const char *path, char *to, int most) {
	int fd = open(path, O_RDONLY | O_CLOEXEC), length;
	if (fd < 0) return -1;
	length = read(fd, to, most - 1);
	close(fd);
	if (length >= 0) to[length] = 0;
	return length;
}

static void rights(const char *text, unsigned long long *caps, int *seccomp) {
	const char *line;
	*caps = 0;
	*seccomp = -1;
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, "CapPrm:", 7)) *caps = strtoull(line + 7, 0, 16);
		if (!strncmp(line, "Seccomp:", 8)) *seccomp = atoi(line + 8);
	}
}

static void leak(const char *what, const char *pid) {
	printf("LEAK %s of %s\n", what, pid);
}

static int holds(const char *pid, const char *secret) {
	char path[64], maps[1 << 14], *line, *end;
	int found = 0, fd;
	snprintf(path, sizeof path, "/proc/%s/maps", pid);
	if (slurp(path, maps, sizeof maps) <= 0) return 0;
	snprintf(path, sizeof path, "/proc/%s/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) return 0;
	for (line = maps; !found && line && *line; line = end ? end + 1 : 0) {
		unsigned long from, to;
		end = strchr(line, '\n');
		if (sscanf(line, "%lx-%lx rw", &from, &to) != 2) continue;
		for (; !found && from < to; from += sizeof memory) {
			unsigned long most = to - from < sizeof memory ? to - from : sizeof memory;
			long length = pread(fd, memory, most, from);
			if (length > 0) found = !!memmem(memory, length, secret, strlen(secret));
		}
	}
	close(fd);
	return found;
}

static void look(const char *pid, char **args, int count) {
	char path[256], text[4096], link[256];
	unsigned long long caps;
	int seccomp, length, i, fd;
	DIR *fds;
	struct dirent *entry;
	struct stat status;

	snprintf(path, sizeof path, "/proc/%s/root%s", pid, args[1]);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) leak("the host's root", pid), close(fd);
	snprintf(path, sizeof path, "/proc/%s/status", pid);
	if (slurp(path, text, sizeof text) > 0) {
		rights(text, &caps, &seccomp);
		if (caps & ~own_caps) leak("more capabilities", pid);
		/* Zombies have no filter any more. */
		if (seccomp < own_seccomp && !strstr(text, "State:\tZ") && !strstr(text, "State:\tX")) leak("no filter", pid);
	}
	const char *kinds[] = {"mnt", "net", "uts", "ipc", "cgroup", "pid_for_children"};
	for (i = 0; i < 6; i++) {
		snprintf(path, sizeof path, "/proc/%s/ns/%s", pid, kinds[i]);
		length = readlink(path, link, sizeof link - 1);
		if (length < 0) continue;
		link[length] = 0;
		for (int n = 3; n < count; n++)
			if (!strcmp(link, args[n])) leak(link, pid);
		if (i == 0) {
			int own = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC), theirs = open(path, O_RDONLY | O_CLOEXEC);
			if (theirs >= 0 && own >= 0 && !setns(theirs, CLONE_NEWNS)) {
				if (!access(args[1], F_OK)) leak("the host's mounts", pid);
				setns(own, CLONE_NEWNS);
			}
			close(own), close(theirs);
		}
	}
	snprintf(path, sizeof path, "/proc/%s/fd", pid);
	fds = opendir(path);
	while (fds && (entry = readdir(fds))) {
		snprintf(path, sizeof path, "/proc/%s/fd/%.20s%s", pid, entry->d_name, args[1]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0) leak("a directory of the host", pid), close(fd);
		snprintf(path, sizeof path, "/proc/%s/fd/%.20s", pid, entry->d_name);
		length = readlink(path, link, sizeof link - 1);
		if (length > 0 && !stat(path, &status) && S_ISDIR(status.st_mode)) {
			link[length] = 0;
			printf("LEAK the open directory %s of %s\n", link, pid);
		}
	}
	if (fds) closedir(fds);
	snprintf(path, sizeof path, "/proc/%s/exe", pid);
	length = readlink(path, link, sizeof link - 1);
	if (length > 0) {
		link[length] = 0;
		/* A mount of its own that has no path. */
		if (!strcmp(link, "/") || strstr(link, "hull") || strstr(link, "memfd")) {
			seen++;
			fd = open(path, O_WRONLY | O_CLOEXEC);
			if (fd >= 0) leak("a writable program", pid), close(fd);
			if (holds(pid, args[2])) leak("the caller's environment", pid);
		}
	}
}

int main(int count, char **args) {
	char text[4096];
	slurp("/proc/self/status", text, sizeof text);
	rights(text, &own_caps, &own_seccomp);
	for (char *a = args[2], *z = a + strlen(a) - 1; a < z; a++, z--) {
		char c = *a;
		*a = *z, *z = c;
	}
	setvbuf(stdout, 0, _IOLBF, 0);
	for (int rounds = 0;; rounds = 1) {
		DIR *all = opendir("/proc");
		struct dirent *entry;
		while (all && (entry = readdir(all)))
			if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && atoi(entry->d_name) != getpid() && atoi(entry->d_name) != 1)
				look(entry->d_name, args, count);
		if (all) closedir(all);
		if (all && !rounds) printf("LOOKED\n");
		if (seen >= 2 * last_seen + !last_seen) printf("SEEN %u\n", last_seen = seen);
	}
}
