// SPDX-License-Identifier: GPL-2.0
/* `cowctl top`: looks once per interval. */
#include "cowctl/top.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "common/process.h"
#include "common/util.h"

/*
 * Wait until @until, in ns. On a screen a key, or a new size, shows the last look
 * again. False if it is to end.
 */
static bool wait_until(uint64_t until, int signals, bool screen,
		       const struct top_look *look)
{
	struct pollfd fds[] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = screen ? STDIN_FILENO : -1, .events = POLLIN },
	};

	for (;;) {
		const uint64_t now = now_ns();
		int ret;

		if (now >= until)
			return true;
		ret = poll(fds, ARRAY_SIZE(fds), (until - now) / 1000000 + 1);
		if (ret > 0 && fds[0].revents)
			return false;
		if (!screen || !ret)
			continue;
		if (screen_quit() || fds[1].revents & (POLLHUP | POLLERR))
			return false;
		if (look->seconds > 0)
			screen_show(look);
	}
}

/**
 * show_top - show the processes that take COW faults, until asked to end
 * @options: what to show
 */
void show_top(const struct top_options *options)
{
	const uint64_t interval = options->interval * 1000000000ULL;
	const int signals = signals_open();
	struct top_look look = { 0 };
	uint64_t left = options->count, next;
	bool screen;

	if (signals < 0)
		die("top: signalfd: %s", strerror(errno));
	count_start();
	screen = !options->batch && !options->json && !options->count &&
		 screen_start();
	next = now_ns() + interval;
	while (wait_until(next, signals, screen, &look)) {
		if (!count_look(&look)) {
			const int error = errno;

			if (screen)
				screen_end();
			die("top: cannot read the counts: %s", strerror(error));
		}
		if (screen)
			screen_show(&look);
		else if (options->json)
			look_json(&look, options->rows);
		else
			look_print(&look, options->rows);
		if (left && !--left)
			break;
		/* After a stop, one look covers all intervals missed. */
		do
			next += interval;
		while (next <= now_ns());
	}
	if (screen)
		screen_end();
	count_stop();
}
