// SPDX-License-Identifier: GPL-2.0
/* plot_model.c - the picture of modelled cycles, by what they are for */
#define _GNU_SOURCE
#include "model.h"

static const struct {
	const char *title, *colour;
} components[] = {
	{ "instructions", "#0072b2" }, { "L2", "#56b4e9" },
	{ "L3", "#009e73" },	       { "memory", "#e69f00" },
	{ "TLB", "#cc79a7" },	       { "flushes", "#d55e00" },
	{ "A/D", "#882255" },	       { "faults", "#999933" },
};

static const char reading[] =
	"How to read it: each bar is an arm, its height the modelled cycles per page written, and the colours what they are for: instructions, misses by where they hit, TLB misses and walks, invalidations, accessed and dirty bits. What is the same in all bars no arm can save. Lower is better.";

int plots_model(struct plots *p, sqlite3 *db)
{
	sqlite3_stmt *q = db_query(
		db,
		"SELECT DISTINCT workload FROM model WHERE NOT is_sweep(arm) ORDER BY workload COLLATE workload LIMIT 16",
		"");
	struct drawing d;
	struct memo panels;
	int n = 0;

	drawing_begin(&d, "memory", "cycles",
		      xstrdup("Modelled cycles per page written"), reading);
	memo_begin(&panels);
	for (; db_next(&q); n++) {
		char *name = xasprintf("w%d", n);

		put_data(
			d.gp.f, name,
			db_query(
				db,
				"SELECT arm, c_insns, c_l2, c_l3, c_memory, c_tlb, c_flush, c_assist, c_fault FROM modelled WHERE workload = ? AND NOT is_sweep(arm) ORDER BY arm COLLATE arm LIMIT 24",
				"s", col_text(q, 0)));
		fputs("set title ", panels.f);
		put_quoted(panels.f, col_text(q, 0));
		fputs(" font ',13'\nplot ", panels.f);
		for (size_t i = 0; i < ARRAY_SIZE(components); i++)
			fprintf(panels.f,
				"%s$%s using %zu%s with histograms fs solid lc rgb '%s'",
				i ? ", " : "", name, i + 2, i ? "" : ":xtic(1)",
				components[i].colour);
		fputc('\n', panels.f);
		free(name);
	}
	/* The last panel holds the key alone. */
	put_multi(&d, 90 + 190 * (n + 1), n + 1);
	fprintf(d.gp.f,
		"unset key\nset style data histograms\nset style histogram rowstacked\nset boxwidth 0.7\nset yrange [0:*]\nset tmargin 3\nset bmargin 2\nset title offset 0,-0.4\nset ytics font ',12'\nset xtics font ',10'\n%s"
		"unset title\nunset border\nunset tics\nunset grid\nset key center center maxrows 3 reverse Left samplen 1.5\nplot [0:1] [0:1] ",
		memo_end(&panels));
	for (size_t i = 0; i < ARRAY_SIZE(components); i++) {
		fprintf(d.gp.f, "%sNaN with boxes fs solid lc rgb '%s' title ",
			i ? ", " : "", components[i].colour);
		put_quoted(d.gp.f, components[i].title);
	}
	fputs("\nunset multiplot\n", d.gp.f);
	free(panels.s);
	return drawing_end(&d, p, n);
}
