/* Mounts a FUSE file system at /etc whose daemon never answers, and says "mounted". */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(void) {
	char options[128];
	int device = open("/dev/fuse", O_RDWR);
	snprintf(options, sizeof options, "fd=%d,rootmode=40755,user_id=0,group_id=0", device);
	if (device < 0 || mount("fuse", "/etc", "fuse", 0, options)) {
		perror("mount");
		return 1;
	}
	puts("mounted");
	fflush(stdout);
	for (;;) pause();
}
