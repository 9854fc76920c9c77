"""A graph as SVG, in layers: each node below all that point to it. For where Graphviz is not installed.

1. A node's layer is the length of the longest way to it. An arrow that passes layers gets a bend in each of them.
2. Within a layer, nodes and bends are sorted by the mean place of their neighbours above, then below, a few times over:
   few arrows cross then.
3. Each moves towards the mean of its neighbours, as far as those beside it let it.
"""

from __future__ import annotations

import html
from collections import defaultdict

LETTER, LINE, GAP, BEND = 7.0, 15, 24, 8  # pixels: a letter's width, a line of text, between boxes, round a bend
BOX, LAYER = 2 * LINE + 10, 2 * LINE + 54  # the height of a box, and from one layer to the next
SWEEPS = 12
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" width="{w:.0f}" height="{h:.0f}" viewBox="0 0 {w:.0f} {h:.0f}" \
font-family="sans-serif" font-size="12" text-anchor="middle" fill="none" stroke="#456">
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">\
<path d="M0 0 8 4 0 8z" fill="#456" stroke="none"/></marker></defs>"""


def svg(nodes: list[tuple[str, str]], edges: list[tuple[str, str, str]]) -> str:
    """The picture. nodes: (id, text of up to two lines), those whose id begins with "leaf" are round; edges: (from, to,
    label), drawn once if they join the same two. The graph has no cycles."""
    arrows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for a, b, label in edges:
        arrows[a, b].append(label)
    layers, chains = _layered([key for key, _ in nodes], list(arrows))
    text = dict(nodes)
    width = {
        key: max(map(len, text[key].split("\n"))) * LETTER + 20 if key in text else BEND for key in sum(layers, [])
    }
    x = _placed(layers, chains, width)
    y = {key: BOX / 2 + 1 + LAYER * depth for depth, layer in enumerate(layers) for key in layer}
    out = [HEAD.format(w=max(x[key] + width[key] / 2 for key in x) + 1, h=LAYER * (len(layers) - 1) + BOX + 2)]
    labels = []
    for chain, label in zip(chains, map(", ".join, arrows.values()), strict=True):
        points = [(x[key], y[key]) for key in chain]
        first, last = points[0], points[-1]
        path = f"M{first[0]:.0f} {first[1] + BOX / 2:.0f}"
        for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
            middle, end = (y0 + y1) / 2, y1 - BOX / 2
            path += f"C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {end:.0f}"
            path += f"V{y1 + BOX / 2:.0f}" if (x1, y1) != last else ""
        out.append(f'<path d="{path}" marker-end="url(#tip)"/>')
        halo = 'paint-order="stroke" stroke="white" stroke-width="4"'
        labels.append(_words(label, (first[0] + points[1][0]) / 2, first[1] + LAYER / 2 + 4, halo))
    for key, words in nodes:
        left, top, round_by = x[key] - width[key] / 2, y[key] - BOX / 2, BOX / 2 if key.startswith("leaf") else 4
        out.append(
            f'<rect x="{left:.0f}" y="{top:.0f}" width="{width[key]:.0f}" height="{BOX}" rx="{round_by}" fill="white"/>'
        )
        lines = words.split("\n")
        for i, line in enumerate(lines):
            out.append(_words(line, x[key], y[key] + 4 + LINE * (i - (len(lines) - 1) / 2), 'stroke="none"'))
    return "\n".join([*out, *labels, "</svg>"]) + "\n"


def _width(words: str) -> float:
    return max(map(len, words.split("\n"))) * LETTER + 20


def _words(words: str, x: float, y: float, style: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" fill="#123" {style}>{html.escape(words)}</text>'


def _layered(keys: list[str], edges: list[tuple[str, str]]) -> tuple[list[list], list[list]]:
    """The layers, sorted, and for each edge the way it takes through them: its ends and bends."""
    below, waits = defaultdict(list), dict.fromkeys(keys, 0)
    for a, b in edges:
        below[a].append(b)
        waits[b] += 1
    depth = {key: 0 for key in keys if not waits[key]}
    ready = list(depth)
    while ready:
        key = ready.pop()
        for other in below[key]:
            depth[other] = max(depth.get(other, 0), depth[key] + 1)
            waits[other] -= 1
            if not waits[other]:
                ready.append(other)
    layers: list[list] = [[] for _ in range(max(depth.values()) + 1)]
    for key in keys:
        layers[depth[key]].append(key)
    chains = []
    for number, (a, b) in enumerate(edges):
        bends = [f"bend {number} {d}" for d in range(depth[a] + 1, depth[b])]
        for d, bend in enumerate(bends, depth[a] + 1):
            layers[d].append(bend)
        chains.append([a, *bends, b])
    above, under = _neighbours(chains)
    place = {key: i for layer in layers for i, key in enumerate(layer)}
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        beside = above if down else under
        for layer in layers if down else reversed(layers):
            means = {key: _mean([place[n] for n in beside[key]], place[key]) for key in layer}
            layer.sort(key=means.__getitem__)
            place |= {key: i for i, key in enumerate(layer)}
    return layers, chains


def _neighbours(chains: list[list]) -> tuple[dict, dict]:
    above, under = defaultdict(list), defaultdict(list)
    for chain in chains:
        for a, b in zip(chain, chain[1:], strict=False):
            under[a].append(b)
            above[b].append(a)
    return above, under


def _mean(values: list, default: float) -> float:
    return sum(values) / len(values) if values else default


def _placed(layers: list[list], chains: list[list], width: dict) -> dict[str, float]:
    """The middle of each, from the left; in a layer they keep their order and their distance."""
    above, under = _neighbours(chains)
    x: dict[str, float] = {}
    for layer in layers:
        x |= _apart(layer, dict.fromkeys(layer, 0.0), width)
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            beside = above if down else under
            x |= _apart(layer, {key: _mean([x[n] for n in beside[key]], x[key]) for key in layer}, width)
    left = min(x[key] - width[key] / 2 for key in x) - 1
    return {key: at - left for key, at in x.items()}


def _apart(layer: list, wanted: dict, width: dict) -> dict[str, float]:
    """As near to where they want to be as fits: the mean of pushing to the right and pushing to the left."""
    needs = [(width[a] + width[b]) / 2 + GAP for a, b in zip(layer, layer[1:], strict=False)]
    right = [wanted[key] for key in layer]
    left = list(right)
    for i, need in enumerate(needs):
        right[i + 1] = max(right[i + 1], right[i] + need)
    for i, need in reversed(list(enumerate(needs))):
        left[i] = min(left[i], left[i + 1] - need)
    return {key: (a + b) / 2 for key, a, b in zip(layer, left, right, strict=True)}
