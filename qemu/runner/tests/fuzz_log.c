// SPDX-License-Identifier: GPL-2.0
/*
 * Feeds arbitrary bytes to the search of a guest's log, under libFuzzer. Built
 * with FUZZ_REPLAY it takes files as arguments and prints TAP.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cowguest.h"

#define CHECK(condition)                                                     \
	do {                                                                 \
		if (!(condition)) {                                          \
			fprintf(stderr, "fuzz: not true: %s\n", #condition); \
			abort();                                             \
		}                                                            \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strvec allow = { 0 };
	struct findings f;
	size_t pos = 0, i;
	unsigned long no = 0;

	strvec_add(&allow, "%s", "WARNING: a [a-z]+ test$");
	CHECK(!findings_init(&f, &allow));
	while (pos < size) {
		const uint8_t *end = memchr(data + pos, '\n', size - pos);
		size_t len = end ? (size_t)(end - data) - pos : size - pos;
		char *line = malloc(len + 1);

		CHECK(line);
		memcpy(line, data + pos, len);
		line[len] = '\0';
		findings_line(&f, "dmesg.log", ++no, line);
		free(line);
		pos += len + 1;
	}
	CHECK(f.n_bad <= no && f.lines.n <= f.n_bad);
	CHECK(!f.n_bad == !f.first_file);
	CHECK(f.first_line <= no);
	CHECK(f.n_bad || (!f.panic && !f.oops));
	for (i = 0; i < f.lines.n; i++) {
		const char *s = f.lines.v[i];

		for (; *s; s++)
			CHECK((unsigned char)*s >= ' ' && *s != 127);
	}
	findings_free(&f);
	strvec_free(&allow);
	return 0;
}

#ifdef FUZZ_REPLAY
int main(int argc, char **argv)
{
	static uint8_t buf[1 << 20];
	int i;

	printf("1..%d\n", argc - 1);
	for (i = 1; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

		if (n >= 0)
			LLVMFuzzerTestOneInput(buf, n);
		close(fd);
		printf("%s %d - a log, %s\n", n >= 0 ? "ok" : "not ok", i,
		       basename(argv[i]));
		fflush(stdout);
	}
	return 0;
}
#endif
