/* SPDX-License-Identifier: GPL-2.0 */
/* The module's tracepoints: what became of the windows, for perf and BPF. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM cowlab

#if !defined(_COWLAB_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _COWLAB_TRACE_H

#include <linux/tracepoint.h>

/* The current fault judged the neighbours of a window of its process. */
TRACE_EVENT(cow_judged,
	TP_PROTO(unsigned int hit, unsigned int wasted),
	TP_ARGS(hit, wasted),
	TP_STRUCT__entry(
		__field(unsigned int, hit)
		__field(unsigned int, wasted)
	),
	TP_fast_assign(
		__entry->hit = hit;
		__entry->wasted = wasted;
	),
	TP_printk("hit=%u wasted=%u", __entry->hit, __entry->wasted)
);

#endif /* _COWLAB_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
