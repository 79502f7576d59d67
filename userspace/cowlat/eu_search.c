// SPDX-License-Identifier: GPL-2.0
/*
 * What libelf.a calls and elfutils 0.192, which Debian 13 has, left out of it
 * (https://sourceware.org/bugzilla/show_bug.cgi?id=32293): its trees, on those of
 * the C library. Weak, so that a libelf.a that is whole has its own. Its lock is
 * not taken: here one thread reads ELF files.
 */
#include <search.h>
#include <stddef.h>

/* A lock comes behind, which is nobody else's business. */
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
