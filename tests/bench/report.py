"""Tables in Markdown: medians over the rounds, ratios taken round by round, the spread beside them."""

import statistics


def median(values):
    values = list(values)
    return statistics.median(values) if values else float("nan")


def spread_percent(values):
    """Half the distance between the extremes, in percent of the median: what a rerun may well differ by."""
    values = list(values)
    middle = median(values)
    return 0.0 if not middle else 50.0 * (max(values) - min(values)) / middle


def ratio(results, workload, peer, base, field):
    """The median of the rounds' own ratios, so that the machine's drift between rounds cancels out."""
    pairs = zip(results[workload, peer], results[workload, base])
    quotients = [getattr(mine, field) / getattr(theirs, field) for mine, theirs in pairs
                 if mine and theirs and getattr(theirs, field)]
    return f"{median(quotients):.2f}" if quotients else "–"


def good(results, workload, peer):
    """The rounds that worked."""
    return [figures for figures in results[workload, peer] if figures]


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def field_table(results, workloads, peers, field, style, bases):
    """A row per workload: each peer's median ± spread, then our own as a multiple of each base."""
    ours = next((peer for peer in reversed(peers) if peer.startswith("crossfade")), None)
    bases = [base for base in bases if base in peers and ours]
    rows = []
    for workload in workloads:
        row = [workload]
        for peer in peers:
            values = [getattr(figures, field) for figures in good(results, workload, peer)]
            row.append(style.format(median(values)) + f" ±{spread_percent(values):.0f} %" if any(values) else "–")
        rows.append(row + [f"**{ratio(results, workload, ours, base, field)}**" for base in bases])
    return table(["load, clients", *peers, *(f"{ours} ÷ {base}" for base in bases)], rows)


def latency_table(results, workloads, peers):
    def cell(workload, peer):
        figures = good(results, workload, peer)
        return f"{median(f.p50_ms for f in figures):.2f} / {median(f.p99_ms for f in figures):.2f}"

    return table(["load, clients", *peers], [[workload, *(cell(workload, peer) for peer in peers)] for workload in workloads])


def times_report(results, workloads, peers):
    proxies = [peer for peer in peers if peer != "direct"]
    return "\n".join([
        "### The proxy's own CPU, µs per transaction\n",
        field_table(results, workloads, proxies, "cpu_us", "{:.1f}", ["relay", "haproxy", "pgbouncer"]),
        "### Transactions per second\n",
        field_table(results, workloads, peers, "rate", "{:.0f}", ["direct", "haproxy", "pgbouncer"]),
        "### Latency, p50 / p99, ms\n",
        latency_table(results, workloads, peers),
        "### p99, ms, and as a multiple\n",
        field_table(results, workloads, peers, "p99_ms", "{:.2f}", ["direct", "haproxy", "pgbouncer"]),
    ])


def calls_report(results, workloads, peers):
    proxies = [peer for peer in peers if peer != "direct"]
    text = "### System calls of the proxy per transaction\n\n"
    text += field_table(results, workloads, proxies, "calls", "{:.1f}", ["relay", "haproxy", "pgbouncer"])
    text += "\nTheir mixture, in percent:\n\n"
    for workload in workloads:
        for peer in proxies:
            names = good(results, workload, peer)[-1].calls_by_name if good(results, workload, peer) else {}
            mixture = ", ".join(f"{name} {100 * share:.0f}" for name, share in names.items() if share >= 0.005)
            text += f"- {workload}, {peer}: {mixture}\n"
    return text
