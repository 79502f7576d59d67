# SPDX-License-Identifier: GPL-2.0
# The application of webload: a heap of records that is made before the workers are
# forked, and requests that only read it. A read of an object writes its reference
# count, so a worker copies the pages of the records that it reads. A full collection
# of garbage writes the header of each object that can hold others, unless these were
# frozen. Settings are in the environment: webload.c.
import gc
import os
import subprocess

RECORDS = int(os.environ["WEBLOAD_RECORDS"])
COLLECT = int(os.environ["WEBLOAD_COLLECT"])

# As the documentation of gc.freeze() recommends: no collection leaves holes in pages
# that are shared later.
gc.disable()
names = [f"name-{i:08d}" for i in range(RECORDS)]
heap = {
    name: {"id": i, "name": name, "price": 1000 + i * 7919 % 100003, "tags": [f"tag-{i}"]}
    for i, name in enumerate(names)
}
if os.environ["WEBLOAD_FREEZE"] == "yes":
    gc.freeze()
gc.enable()
if os.environ["WEBLOAD_ARMED"]:
    subprocess.run(os.environ["WEBLOAD_ARMED"], shell=True, check=True)

served = 0


def application(environ, start_response):
    """/FIRST/RUN/STEP/LOOKUPS: the sum of the prices of RUN records in a row and of
    LOOKUPS records, each STEP after the one before."""
    global served
    first, run, step, lookups = map(int, environ["PATH_INFO"][1:].split("/"))
    total = sum(heap[name]["price"] for name in names[first : first + run])
    for i in range(1, lookups + 1):
        total += heap[names[(first + i * step) % RECORDS]]["price"]
    served += 1
    if served == COLLECT:
        gc.collect()
    body = b"%d\n" % total
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
