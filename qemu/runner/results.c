// SPDX-License-Identifier: GPL-2.0
/*
 * Unpacks what the guest sent. The guest is not trusted: only files and folders
 * are unpacked, only inside DIR, and none replaces what cowguest keeps there.
 */
#include "cowguest.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A member's name as a path inside DIR: without leading `/` and `./`. */
static const char *inside(const char *name)
{
	while (*name == '/' || !strncmp(name, "./", 2))
		name++;
	return name;
}

/* Is it, or is it below, one of the names that cowguest itself keeps in DIR? */
static bool is_own(const char *name)
{
	static const char * const own[] = {
		NAME_CONSOLE, NAME_CHANNEL, NAME_BOOT, NAME_LOCK,
	};
	size_t i, n = strcspn(name, "/");

	for (i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (n == strlen(own[i]) && !strncmp(name, own[i], n))
			return true;
	return false;
}

static enum results failure(struct archive *to)
{
	int err = archive_errno(to);

	return err == ENOSPC || err == EDQUOT ? RES_NO_DISK : RES_TRUNCATED;
}

/*
 * Create a member at @name and copy its bytes. A file that is not whole is
 * removed: it must not look like a result. libarchive has checked that no link
 * is in its path.
 */
static enum results copy_member(struct archive *from, struct archive *to,
				struct archive_entry *entry, const char *name,
				int *patience)
{
	enum results res = RES_GOOD;
	const void *block;
	size_t size;
	la_int64_t at;
	int ret = 0;

	archive_entry_copy_pathname(entry, name);
	if (archive_write_header(to, entry) != ARCHIVE_OK)
		return failure(to);
	while (res == RES_GOOD &&
	       (ret = archive_read_data_block(from, &block, &size, &at)) !=
	       ARCHIVE_EOF) {
		if (ret < ARCHIVE_WARN)
			res = RES_TRUNCATED;
		/* libarchive only warns of a full disk. */
		else if (archive_write_data_block(to, block, size, at))
			res = failure(to);
		else if ((*patience -= signals_read()) <= 0)
			res = RES_STOPPED;
	}
	if (archive_write_finish_entry(to) != ARCHIVE_OK && res == RES_GOOD)
		res = failure(to);
	if (res != RES_GOOD)
		unlink(name);
	return res;
}

/* Unpack into the current directory until the end or the first failure. */
static enum results unpack(struct archive *from, struct archive *to)
{
	/* The second signal does not wait for the end. */
	int patience = caught_signal ? 1 : 2;
	enum results res = RES_GOOD;
	struct archive_entry *entry;

	while (res == RES_GOOD) {
		int ret = archive_read_next_header(from, &entry);
		const char *name;
		char *copy;

		if (ret == ARCHIVE_EOF)
			break;
		name = ret < ARCHIVE_WARN ? NULL : archive_entry_pathname(entry);
		if (!name)
			return RES_TRUNCATED;
		name = inside(name);
		if (!*name || is_own(name) || archive_entry_hardlink(entry) ||
		    (archive_entry_filetype(entry) != AE_IFREG &&
		     archive_entry_filetype(entry) != AE_IFDIR))
			continue;
		copy = xstrdup(name);
		res = copy_member(from, to, entry, copy, &patience);
		free(copy);
	}
	return res;
}

/**
 * results_unpack - unpack DIR/channel.tar into DIR
 * @dir: DIR
 *
 * The file holds one tar archive per job. It is removed once all of it is
 * unpacked. Otherwise the whole files before the failure stay, and so does
 * channel.tar. Links and devices are left out. Times are those of the host: the
 * clock of a guest under icount starts on 2026-01-01.
 *
 * Return: what became of the results.
 */
enum results results_unpack(const char *dir)
{
	struct archive *from = archive_read_new();
	struct archive *to = archive_write_disk_new();
	int back = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	enum results res = RES_TRUNCATED;
	struct stat st;

	if (!from || !to)
		no_memory();
	archive_read_support_format_tar(from);
	archive_read_set_options(from, "tar:read_concatenated_archives");
	archive_write_disk_set_options(to, ARCHIVE_EXTRACT_SECURE_SYMLINKS |
					   ARCHIVE_EXTRACT_SECURE_NODOTDOT |
					   ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS);
	if (back >= 0 && !chdir(dir)) {
		if (stat(NAME_CHANNEL, &st) || !st.st_size)
			res = RES_NONE;
		else if (archive_read_open_filename(from, NAME_CHANNEL, 65536) ==
			 ARCHIVE_OK)
			res = unpack(from, to);
		if (res <= RES_GOOD)
			unlink(NAME_CHANNEL);
		if (fchdir(back))
			say("cannot return to the current directory");
	}
	archive_read_free(from);
	archive_write_free(to);
	if (back >= 0)
		close(back);
	return res;
}
