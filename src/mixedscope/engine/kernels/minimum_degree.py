"""An order of approximate minimum degree, for graphs that are given as sets of joined nodes.

Of Amestoy, Davis & Duff (1996, SIAM J. Matrix Anal. Appl. 17). The graph is never written as pairs:
each set (*element*; to begin with, the levels that one eliminated level has met) joins its members
with each other. To eliminate a node is to unite the elements that it is in to one of the others'.
What is eliminated alike is kept as one node with a weight.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mixedscope.engine.compile.compiled import kernel

__all__ = ["minimum_degree"]

Ints = NDArray[np.int64]


@kernel
def minimum_degree(ptr: Ints, idx: Ints, begin: Ints, inside: Ints, rank: Ints) -> None:
    """Fill `rank` (m,) with the place of each node in the order; nodes eliminated as one share it.

    `ptr`, `idx`: members of each element. `begin`, `inside`: elements of each node; overwritten.
    """
    m, given = len(rank), len(ptr) - 1
    # Members of elements stand in `room` in the order of their making, which is that of numbers.
    # What is made is never longer than what it unites, so that there is room once that is let go.
    size = 2 * len(idx) + m
    room = np.empty(size, dtype=np.int64)
    for p in range(len(idx)):
        room[p] = idx[p]
    used = len(idx)
    start = np.empty(given + m, dtype=np.int64)
    length = np.empty(given + m, dtype=np.int64)
    # Members of an element, each as often as it stands for nodes; -1 once it is part of another.
    weight = np.empty(given + m, dtype=np.int64)
    outside = np.empty(given + m, dtype=np.int64)
    stamp = np.empty(given + m, dtype=np.int64)
    for e in range(given + m):
        stamp[e] = -1
        weight[e] = -1
    for e in range(given):
        start[e] = ptr[e]
        length[e] = ptr[e + 1] - ptr[e]
        weight[e] = length[e]
    made = given
    count = np.empty(m, dtype=np.int64)
    alike = np.empty(m, dtype=np.int64)
    leader = np.empty(m, dtype=np.int64)
    degree = np.empty(m, dtype=np.int64)
    # Nodes of each degree as lists both ways, and of each sum of elements as lists one way.
    head = np.empty(m, dtype=np.int64)
    following = np.empty(m, dtype=np.int64)
    before = np.empty(m, dtype=np.int64)
    alike_head = np.empty(m, dtype=np.int64)
    alike_next = np.empty(m, dtype=np.int64)
    for i in range(m):
        head[i] = -1
        alike_head[i] = -1
        alike[i] = 1
        leader[i] = i
        rank[i] = -1
    for i in range(m):
        count[i] = begin[i + 1] - begin[i]
        total = 0
        for p in range(begin[i], begin[i + 1]):
            total += weight[inside[p]] - 1
        d = min(total, m - 1)
        degree[i] = d
        following[i] = head[d]
        before[i] = -1
        if head[d] != -1:
            before[head[d]] = i
        head[d] = i
    tick = 0
    lowest = 0
    done = 0
    while done < m:
        while head[lowest] == -1:
            lowest += 1
        pivot = head[lowest]
        head[lowest] = following[pivot]
        if following[pivot] != -1:
            before[following[pivot]] = -1
        own = alike[pivot]
        alike[pivot] = 0
        rank[pivot] = done
        # Its element: the members of those that it is in. A member is marked by a negative weight.
        needed = 0
        for p in range(begin[pivot], begin[pivot] + count[pivot]):
            e = inside[p]
            if weight[e] >= 0:
                needed += length[e]
        if used + needed > size:
            used = 0
            for e in range(made):
                if weight[e] >= 0:
                    first = start[e]
                    start[e] = used
                    for p in range(first, first + length[e]):
                        if alike[room[p]] != 0:
                            room[used] = room[p]
                            used += 1
                    length[e] = used - start[e]
        fresh = used
        reached = 0
        for p in range(begin[pivot], begin[pivot] + count[pivot]):
            e = inside[p]
            if weight[e] < 0:
                continue
            weight[e] = -1
            for q in range(start[e], start[e] + length[e]):
                i = room[q]
                if alike[i] <= 0:
                    continue
                reached += alike[i]
                alike[i] = -alike[i]
                room[used] = i
                used += 1
                if before[i] != -1:
                    following[before[i]] = following[i]
                else:
                    head[degree[i]] = following[i]
                if following[i] != -1:
                    before[following[i]] = before[i]
        element = made
        made += 1
        # Of each other element that members are in: what it has outside of this one.
        for q in range(fresh, used):
            i = room[q]
            for p in range(begin[i], begin[i] + count[i]):
                e = inside[p]
                if weight[e] < 0:
                    continue
                if stamp[e] != tick:
                    stamp[e] = tick
                    outside[e] = weight[e]
                outside[e] += alike[i]
        tick += 1
        for q in range(fresh, used):
            i = room[q]
            kept = begin[i]
            total, key = 0, 0
            for p in range(begin[i], begin[i] + count[i]):
                e = inside[p]
                if weight[e] < 0:
                    continue
                if outside[e] == 0:  # wholly within this one
                    weight[e] = -1
                    continue
                total += outside[e]
                key += e
                inside[kept] = e
                kept += 1
            if kept == begin[i]:
                # Nothing but this element: eliminated with the pivot.
                own -= alike[i]
                reached += alike[i]
                alike[i] = 0
                leader[i] = pivot
                continue
            inside[kept] = element
            count[i] = kept + 1 - begin[i]
            degree[i] = min(degree[i], total)
            key = key % m
            alike_next[i] = alike_head[key]
            alike_head[key] = i
        # Members that are in the same elements are one from now on.
        for q in range(fresh, used):
            i = room[q]
            if alike[i] == 0:
                continue
            key = 0
            for p in range(begin[i], begin[i] + count[i] - 1):
                key += inside[p]
            key = key % m
            one = alike_head[key]
            alike_head[key] = -1
            while one != -1:
                if alike_next[one] != -1:
                    for p in range(begin[one], begin[one] + count[one]):
                        stamp[inside[p]] = tick
                    last = one
                    other = alike_next[one]
                    while other != -1:
                        is_same = count[other] == count[one]
                        p = begin[other]
                        while is_same and p < begin[other] + count[other]:
                            is_same = stamp[inside[p]] == tick
                            p += 1
                        if is_same:
                            alike[one] += alike[other]
                            alike[other] = 0
                            leader[other] = one
                            alike_next[last] = alike_next[other]
                        else:
                            last = other
                        other = alike_next[other]
                    tick += 1
                one = alike_next[one]
        done += own
        left = m - done
        end = fresh
        for q in range(fresh, used):
            i = room[q]
            if alike[i] == 0:
                continue
            alike[i] = -alike[i]
            room[end] = i
            end += 1
            d = max(0, min(degree[i] + reached - alike[i], left - alike[i]))
            degree[i] = d
            lowest = min(lowest, d)
            following[i] = head[d]
            before[i] = -1
            if head[d] != -1:
                before[head[d]] = i
            head[d] = i
        used = end
        start[element] = fresh
        length[element] = end - fresh
        weight[element] = reached
        if end == fresh:
            weight[element] = -1
    for i in range(m):
        if leader[i] != i:
            first = i
            while leader[first] != first:
                first = leader[first]
            rank[i] = rank[first]
            # Chains are shortened on the way.
            one = i
            while leader[one] != first and leader[one] != one:
                up = leader[one]
                leader[one] = first
                one = up
