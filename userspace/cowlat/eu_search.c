// SPDX-License-Identifier: GPL-2.0
/*
 * Trees that libelf.a calls and that Debian 13's elfutils 0.192 left out of it
 * (https://sourceware.org/bugzilla/show_bug.cgi?id=32293), made of the C library's
 * trees. The functions are weak, so that a complete libelf.a uses its own. The
 * tree's lock is not taken: only one thread reads ELF files here.
 */
#include <search.h>
#include <stddef.h>

/* libelf's lock follows; this file does not use it. */
struct search_tree {
	void *root;
};

typedef int (*compare_fn)(const void *a, const void *b);

__attribute__((weak)) void eu_search_tree_init(struct search_tree *tree)
{
	tree->root = NULL;
}

__attribute__((weak)) void eu_search_tree_fini(struct search_tree *tree,
					       void (*free_node)(void *node))
{
	tdestroy(tree->root, free_node);
	tree->root = NULL;
}

__attribute__((weak)) void *
eu_tsearch(const void *key, struct search_tree *tree, compare_fn compare)
{
	return tsearch(key, &tree->root, compare);
}

__attribute__((weak)) void *
eu_tdelete(const void *key, struct search_tree *tree, compare_fn compare)
{
	return tdelete(key, &tree->root, compare);
}
