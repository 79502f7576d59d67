// SPDX-License-Identifier: GPL-2.0
/* tables_model.c - the section "What caches say": misses and modelled cycles */
#define _GNU_SOURCE
#include "model.h"

/* Columns of the view `modelled`, the cycles by what they are for */
#define COMPONENTS \
	"components(name, at) AS (VALUES ('instructions', 1), ('L2', 2), ('L3', 3), ('memory', 4), ('TLB', 5), ('flushes', 6), ('A/D', 7), ('faults', 8)), "
#define COMPONENT_OF(row)                                      \
	"CASE at WHEN 1 THEN " row ".c_insns WHEN 2 THEN " row \
	".c_l2 WHEN 3 THEN " row ".c_l3 WHEN 4 THEN " row      \
	".c_memory WHEN 5 THEN " row ".c_tlb WHEN 6 THEN " row \
	".c_flush WHEN 7 THEN " row ".c_assist ELSE " row ".c_fault END"

/* What was modelled; to be freed */
static char *model_name(sqlite3 *db)
{
	char *name = db_text(db, "SELECT model FROM model_cost", "");

	return name ? name : xstrdup("unknown");
}

static struct table *titled(const struct report *rep, struct table *t,
			    const char *what)
{
	char *name = model_name(rep->run->db);

	if (t)
		table_title(t, "%s (model %s)", what, name);
	free(name);
	return t;
}

/* Per page written: misses of each level, and what they cost */
static struct table *table_misses(const struct report *rep)
{
	struct table *t = table_query(
		rep->run->db, "-", 3,
		"SELECT a.workload AS workload, a.arm AS arm, num(a.cycles, 0) AS cycles, num(a.cycles / b.cycles, 3) AS ratio, num(a.insns, 0) AS insns, num(a.insns / b.insns, 3) AS ratio,"
		" num(a.l1, 1) AS L1, num(a.l1 / nullif(b.l1, 0), 2) AS ratio, num(a.l2, 1) AS L2, num(a.l2 / nullif(b.l2, 0), 2) AS ratio, num(a.l3, 1) AS L3, num(a.l3 / nullif(b.l3, 0), 2) AS ratio,"
		" num(a.user_l1, 1) AS 'L1, user', num(a.user_l2, 1) AS 'L2, user', num(a.tlb, 2) AS TLB, num(a.tlb / nullif(b.tlb, 0), 2) AS ratio, num(a.walks, 2) AS walks, num(a.walks / nullif(b.walks, 0), 2) AS ratio, num(a.walk_reads, 2) AS 'walk reads',"
		" num(a.flushes, 2) AS flushes, num(a.full, 3) AS 'full', num(a.assists, 2) AS 'A/D', num(a.faults, 3) AS faults "
		"FROM modelled a LEFT JOIN modelled b ON b.workload = a.workload AND b.arm = 'baseline' ORDER BY a.workload COLLATE workload, a.arm COLLATE arm",
		"");

	titled(rep, t, "Misses and modelled cycles per page written");
	if (t)
		table_note(
			t,
			"Ratios to baseline. L1, L2, L3: misses of data and code; user: those of the program's own accesses. TLB: misses of the first level; walks: of the second. flushes: INVLPG; full: writes to CR3 or CR4. A/D: accesses at which the processor sets an accessed or dirty bit.");
	return t;
}

/* Who spends the cycles */
static struct table *table_groups(const struct report *rep)
{
	struct table *t = table_query(
		rep->run->db, "-", 3,
		"WITH p AS (SELECT workload, arm, part, total(cycles_insns + cycles_l2 + cycles_l3 + cycles_memory + cycles_tlb + cycles_flush + cycles_assist + cycles_fault) / total(pages) AS c FROM model GROUP BY workload, arm, part) "
		"SELECT workload, arm, num(total(c), 0) AS 'all', num(total(c) FILTER (WHERE part = 'user'), 0) AS user, num(total(c) FILTER (WHERE part = 'entry'), 0) AS 'entry, return', num(total(c) FILTER (WHERE part = 'copy'), 0) AS copy, num(total(c) FILTER (WHERE part = 'zero'), 0) AS zero, num(total(c) FILTER (WHERE part = 'alloc'), 0) AS allocation, num(total(c) FILTER (WHERE part = 'flush'), 0) AS flush, num(total(c) FILTER (WHERE part = 'other'), 0) AS 'other kernel' "
		"FROM p GROUP BY workload, arm ORDER BY workload COLLATE workload, arm COLLATE arm",
		"");

	return titled(rep, t, "Modelled cycles per page, by who spends them");
}

/*
 * Instructions per fault that serves one page: those of `rand`, whose writer has no
 * pattern. What takes less than one instruction in 400 is added up.
 */
static struct table *table_functions(const struct report *rep)
{
	struct table *t = table_query(
		rep->run->db, "0", 3,
		"WITH p AS (SELECT DISTINCT arm, workload, round, pages FROM model), "
		"f AS (SELECT f.function AS name, f.part AS part, total(insns) FILTER (WHERE arm = 'baseline') / (SELECT total(pages) FROM p WHERE workload = 'rand' AND arm = 'baseline') AS b, total(insns) FILTER (WHERE arm = 'adaptive') / (SELECT nullif(total(pages), 0) FROM p WHERE workload = 'rand' AND arm = 'adaptive') AS a FROM model_function f JOIN p USING (arm, workload, round) WHERE workload = 'rand' GROUP BY name, part), "
		"s AS (SELECT *, max(b, ifnull(a, 0)) >= (SELECT total(b) FROM f) / 400 AS large FROM f) "
		"SELECT name AS function, part, num(b, 0) AS baseline, num(a, 0) AS adaptive, num(round(a - b) + 0, 0) AS difference FROM "
		"(SELECT 1 AS at, name, part, b, a FROM s WHERE large UNION ALL SELECT 2, 'others', '', total(b), sum(a) FROM s WHERE NOT large HAVING count(*) UNION ALL SELECT 3, 'all', '', total(b), sum(a) FROM s HAVING count(*)) "
		"ORDER BY at, b DESC, a DESC, name",
		"");

	if (!t)
		return NULL;
	table_title(t, "Where a lone fault goes: instructions by function");
	table_note(
		t,
		"Per page written by rand, in random order, so that each fault serves one page. A function includes what the compiler made inline in it. user: the program itself, and other: the module's code where the function is -.");
	return t;
}

/*
 * How far a constant must move before two arms that follow each other in cost
 * change places: total + (k - 1) * component is the same for both.
 */
static struct table *table_sensitivity(const struct report *rep)
{
	struct table *t = table_query(
		rep->run->db, "never", 7,
		"WITH " COMPONENTS
		"ranked AS (SELECT *, row_number() OVER (PARTITION BY workload ORDER BY cycles, arm COLLATE arm) AS rank FROM modelled), "
		"pairs AS (SELECT a.workload AS workload, a.rank AS rank, a.arm AS less, b.arm AS more, b.cycles / a.cycles AS ratio, name, 1 + (b.cycles - a.cycles) / nullif((" COMPONENT_OF(
			"a") ") - (" COMPONENT_OF("b") "), 0) AS k FROM ranked a JOIN ranked b ON b.workload = a.workload AND b.rank = a.rank + 1 JOIN components), "
						       "shown AS (SELECT workload, rank, less, more, ratio, name, iif(k >= 0 AND k < 1000, printf(iif(k < 10, '%.2f', '%.0f'), k), NULL) AS k FROM pairs) "
						       "SELECT workload, less AS 'costs less', more AS 'than', num(ratio, 3) AS by, max(k) FILTER (WHERE name = 'instructions') AS instructions, max(k) FILTER (WHERE name = 'L2') AS L2, max(k) FILTER (WHERE name = 'L3') AS L3, max(k) FILTER (WHERE name = 'memory') AS memory, max(k) FILTER (WHERE name = 'TLB') AS TLB, max(k) FILTER (WHERE name = 'flushes') AS flushes, max(k) FILTER (WHERE name = 'A/D') AS 'A/D' "
						       "FROM shown GROUP BY workload, rank ORDER BY workload COLLATE workload, rank",
		"");

	titled(rep, t,
	       "Sensitivity: by which factor a constant must change before two arms change places");
	if (t)
		table_note(
			t,
			"Each column multiplies the constants of one component, all others as they are; 1.00 would be no change. never: no factor from 0 to 1000 does it.");
	return t;
}

static struct table *table_costs(const struct report *rep)
{
	return titled(rep,
		      table_query(rep->run->db, "-", 1,
				  "SELECT cost, cycles FROM model_cost", ""),
		      "The constants, in cycles");
}

void section_model(const struct report *rep, struct doc *doc)
{
	if (!model_any(rep->run->db))
		return;
	doc_put(doc, DOC_H2, "What caches say");
	doc_put(doc, DOC_PARA,
		"CLOCK=memory counts what an instruction count leaves out: misses of caches and TLBs, reads of page tables, invalidations, accessed and dirty bits. It is a model, not a processor: qemu/memory/cowmem.c lists what is approximate and in which direction. Each region begins with empty caches, as within a data set much larger than they are.");
	doc_figure(doc, plots_named(rep->plots, "memory", "cycles"));
	doc_table(doc, table_misses(rep));
	doc_table(doc, table_groups(rep));
	doc_table(doc, table_functions(rep));
	doc_table(doc, table_sensitivity(rep));
	doc_put(doc, DOC_FOLD, "The constants of this model");
	doc_table(doc, table_costs(rep));
	doc_put(doc, DOC_UNFOLD, "%s", "");
	doc_put(doc, DOC_COMMAND, "make run CLOCK=memory");
}

/* What a sceptical reader would say first, and what this run knows of it */
void section_concerns(const struct report *rep, struct doc *doc)
{
	static const struct {
		const char *says, *answer;
	} concerns[] = {
		{ "TCG says nothing about caches and TLBs.",
		  "Right for CLOCK=wall and CLOCK=icount. CLOCK=memory models them, and a table says how far each constant may be wrong. It has no out-of-order execution, and one processor: what the copy of a page costs on a given machine only that machine tells." },
		{ "A copy that is used at once is warm; a window's are cold by the time they are used.",
		  "True. Written whole, a page that the fault has just copied hits L1; one of a window of 16 or 32 hits L2, and after manual_cow() over 16 MiB L3 (columns L1, user and L2, user of touch-all). The window still wins by the saved fault; manual_cow() over a large range can lose to a window." },
		{ "One flush for a window saves nothing: each page has its INVLPG.",
		  "True: the column flushes is the same in each arm. A window saves faults and page-table work, not invalidations, up to the kernel's ceiling of 33 pages." },
		{ "A window maps pages that nobody has accessed: old and clean.",
		  "True. So that waste can be measured by dirty bits, a neighbour is mapped clean, and the processor sets its bits at the first write (column A/D). The model charges for it." },
		{ "The processor's entry to a fault is cheap under emulation.",
		  "The model charges nothing for it beside the instructions (constant fault = 0), which is in favour of baseline." },
		{ "Windows copy pages that nobody writes.",
		  "Counted by dirty bits in each cell, limited per process, and per cgroup where memory is tight; section 2.1 of the design and the table of memory against time." },
		{ "Figures of one machine, one boot, one day.",
		  "Claims are ratios within a boot; icount and the model give the same digits each time, which a test keeps." },
		{ "The workloads were chosen for the result.",
		  "Those that lose are in the same tables: rand, the sparse ones, a reader beside the writer. Benchmarks that others wrote are not in this report." },
		{ "Shootdowns on many processors.",
		  "Not modelled. CLOCK=wall with several cores runs them under emulation, where an interrupt between processors is a message between threads: its cost says nothing about hardware." },
	};
	size_t i;

	if (!run_has_data(rep->run))
		return;
	doc_put(doc, DOC_H2, "Concerns");
	for (i = 0; i < ARRAY_SIZE(concerns); i++) {
		doc_put(doc, DOC_WORD, "%s", concerns[i].says);
		doc_put(doc, DOC_MEANING, "%s", concerns[i].answer);
	}
}

void print_model(const struct report *rep, FILE *out)
{
	struct table *t;

	if (!model_any(rep->run->db))
		return;
	t = table_query(
		rep->run->db, "-", 3,
		"SELECT a.workload AS workload, a.arm AS arm, num(a.cycles, 0) AS cycles, num(a.cycles / b.cycles, 3) AS ratio, num(a.insns, 0) AS insns, num(a.insns / b.insns, 3) AS ratio, num(a.user_l1, 1) AS 'L1, user', num(a.user_l2, 1) AS 'L2, user', num(a.l3, 1) AS L3, num(a.walks, 2) AS walks, num(a.flushes, 2) AS flushes, num(a.assists, 2) AS 'A/D' FROM modelled a LEFT JOIN modelled b ON b.workload = a.workload AND b.arm = 'baseline' ORDER BY a.workload COLLATE workload, a.arm COLLATE arm",
		"");
	titled(rep, t, "Modelled cycles and misses per page written");
	table_print(t, true, out);
	table_free(t);
	fputc('\n', out);
}
