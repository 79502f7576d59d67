// SPDX-License-Identifier: GPL-2.0
/* `cowctl top` on a terminal. */
#include <ncurses.h>
#include <stdio.h>
#include <unistd.h>

#include "cowctl/top.h"

static SCREEN *screen;

/**
 * screen_start - take the terminal
 *
 * Return: false if there is none, or its type is unknown.
 */
bool screen_start(void)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return false;
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return false;
	cbreak();
	noecho();
	keypad(stdscr, true);
	nodelay(stdscr, true);
	curs_set(0);
	mvaddstr(0, 0, "counting; q ends");
	refresh();
	return true;
}

/**
 * screen_end - give the terminal back
 */
void screen_end(void)
{
	endwin();
	delscreen(screen);
}

/**
 * screen_quit - read the keys that were hit
 *
 * Return: true after a q.
 */
bool screen_quit(void)
{
	int key;

	while ((key = getch()) != ERR)
		if (key == 'q' || key == 'Q')
			return true;
	return false;
}

/**
 * screen_show - show a look
 * @look: the look
 */
void screen_show(const struct top_look *look)
{
	char heading[TOP_HEADINGS][TOP_COLUMNS], text[TOP_COLUMNS];
	int i, row = 0;

	look_heading(look, heading);
	erase();
	for (i = 0; i < TOP_HEADINGS && row < LINES; i++, row++)
		mvaddnstr(row, 0, heading[i], COLS);
	mvchgat(row - 1, 0, -1, A_REVERSE, 0, NULL);
	for (i = 0; (size_t)i < look->nr && row < LINES; i++, row++) {
		look_line(look, &look->lines[i], text);
		mvaddnstr(row, 0, text, COLS);
	}
	refresh();
}
