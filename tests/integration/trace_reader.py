"""An independent reader of the Chrome Trace Event format: trace_reader.py FILE.

It knows the format from its description ("Trace Event Format" of the Chromium project) and nothing of the program that wrote
the file. Whatever breaks a rule, or is something that viewers guess about, is an assertion. What it has seen it prints as JSON.
"""
import bisect, collections, json, sys
from decimal import Decimal


def once(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), ("a key twice", keys)
    return dict(pairs)


def refuse(word):
    raise AssertionError("no JSON: " + word)


# Keys that an event of each phase must have and may have beside them.
COMMON = {"ph", "pid", "tid", "ts", "name"}
KEYS = {
    "X": ({"dur", "cat"}, {"args"}),   # complete: begin and length
    "i": ({"s", "cat"}, {"args"}),     # instant, with its scope
    "C": ({"args"}, set()),            # counter
    "s": ({"id", "cat"}, {"args"}),    # an arrow begins
    "f": ({"id", "cat", "bp"}, {"args"}),  # ... and ends, in the slice that encloses it
    "M": ({"args"}, set()),            # metadata
}
METADATA = {"process_name": str, "thread_name": str, "thread_sort_index": int}

with open(sys.argv[1], encoding="utf-8", errors="strict") as file:
    document = json.load(file, parse_float=Decimal, parse_constant=refuse, object_pairs_hook=once)
assert isinstance(document, dict) and isinstance(document["traceEvents"], list)
assert document.get("displayTimeUnit") in ("ms", "ns")
assert set(document) <= {"traceEvents", "displayTimeUnit", "otherData"}, set(document)
events = document["traceEvents"]

lanes, flows, names, places = collections.defaultdict(list), collections.defaultdict(list), {}, {}
counters, counts = collections.defaultdict(list), collections.Counter()
for order, event in enumerate(events):
    phase = event["ph"]
    must, may = KEYS[phase]
    assert COMMON | must <= set(event) <= COMMON | must | may, (set(event), event)
    assert type(event["pid"]) is int and type(event["tid"]) is int and event["pid"] > 0 and event["tid"] >= 0, event
    assert isinstance(event["ts"], (int, Decimal)) and event["ts"] >= 0, event
    assert isinstance(event["name"], str) and isinstance(event.get("cat", ""), str) and isinstance(event.get("args", {}), dict), event
    event["order"] = order
    counts[phase] += 1
    if phase == "X":
        assert isinstance(event["dur"], (int, Decimal)) and event["dur"] >= 0, event
        lanes[event["tid"]].append(event)
    elif phase in "sf":
        assert type(event["id"]) in (int, str), event
        assert phase == "s" or event["bp"] == "e", event
        flows[event["cat"], event["id"]].append(event)
    elif phase == "i":
        assert event["s"] in ("t", "p", "g"), event
    elif phase == "C":
        assert event["args"] and all(isinstance(v, (int, Decimal)) and v >= 0 for v in event["args"].values()), event
        counters[event["name"]].append(event)
    elif phase == "M":
        (value,) = event["args"].values()
        assert type(value) is METADATA[event["name"]], event
        if event["name"] == "thread_name":
            assert event["tid"] not in names, event
            names[event["tid"]] = value
        elif event["name"] == "thread_sort_index":
            places[event["tid"]] = value
assert len({event["pid"] for event in events}) == 1
assert all(event["tid"] in names for event in events), "an event on a lane without a name"
assert len(set(names.values())) == len(names) and set(places) == set(names) and len(set(places.values())) == len(places)

# Slices of a lane lie beside or in each other. A viewer's rule for those that begin together: the longer one is the outer one.
begins = {}
for tid, lane in lanes.items():
    lane.sort(key=lambda event: (event["ts"], -event["dur"]))
    begins[tid] = [event["ts"] for event in lane]
    open_ends = []
    for event in lane:
        end = event["ts"] + event["dur"]
        while open_ends and open_ends[-1] <= event["ts"]:
            open_ends.pop()
        assert not open_ends or end <= open_ends[-1], ("overlaps", tid, event, open_ends[-1])
        event["depth"] = len(open_ends)
        open_ends.append(end)


def around(flow):
    """The slices that an end of an arrow lies in, the innermost first: it is bound to that one."""
    lane, found = lanes[flow["tid"]], []
    at = bisect.bisect_right(begins[flow["tid"]], flow["ts"]) - 1
    while at >= 0:
        if flow["ts"] < lane[at]["ts"] + lane[at]["dur"]:
            found.append(lane[at])
        if lane[at]["depth"] == 0:
            break
        at -= 1
    assert found, ("an arrow in no slice", flow)
    return found


ways = collections.Counter()
for key, both in flows.items():
    assert sorted(event["ph"] for event in both) == ["f", "s"], (key, both)
    begin, end = sorted(both, key=lambda event: event["ph"], reverse=True)
    assert begin["ts"] <= end["ts"], both
    assert begin["name"] == end["name"], both
    sides = {names[event["tid"]].split()[0]: around(event) for event in both}
    assert set(sides) == {"master", "worker"}, both
    # Both ends are one job's: the slice of the master that does something for it, and that of the whole job on its worker.
    assert sides["worker"][-1]["cat"] == "job" and sides["worker"][-1]["name"] == sides["master"][0]["args"]["job"], (both, sides)
    # Perfetto takes events of one moment in the order of the file: a slice that begins together with the end of its arrow comes first.
    for event in both:
        side = names[event["tid"]].split()[0]
        assert sides[side][0 if side == "master" else -1]["order"] < event["order"], event
    ways[names[begin["tid"]].split()[0] + " " + sides["master"][0]["name"]] += 1

for name, values in counters.items():
    assert all(a["ts"] <= b["ts"] for a, b in zip(values, values[1:])), name
    assert len({tuple(event["args"]) for event in values}) == 1, name

work = [x for lane in lanes.values() for x in lane]
jobs = [x for x in work if x["cat"] == "job"]
assert all(x["depth"] == 0 for x in jobs)
print(json.dumps({
    "phases": counts,
    "lanes": [names[tid] for tid in sorted(names, key=places.get)],
    "attempts": len(jobs),
    "statuses": collections.Counter(x["args"]["status"] for x in jobs),
    "spans": collections.Counter(x["name"] for x in work if x["cat"] != "job"),
    "execute": float(sum(x["dur"] for x in work if x["name"] == "execute" and x["cat"] == "work")) / 1e6,
    "instants": collections.Counter(x["name"] for x in events if x["ph"] == "i"),
    "counters": {name: [[float(event["ts"]), {key: float(v) for key, v in event["args"].items()}] for event in values] for name, values in counters.items()},
    "flows": len(flows),
    "ways": ways,
    "about": document["otherData"],
}, default=str))
