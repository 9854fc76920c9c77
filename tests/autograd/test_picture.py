"""Graphs as SVG: what is in the picture, what lies where, and that nothing lies on anything else."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ElementTree

import pytest

from minitorch.autograd.picture import svg

SPACE = "{http://www.w3.org/2000/svg}"
DIAMOND = [("a", "top\n()"), ("b", "left\n(2,)"), ("c", "right\n(2,)"), ("leaf0", "x\n(2,)")]
SIDES = [("a", "b", "x"), ("a", "c", "y"), ("b", "leaf0", "x"), ("c", "leaf0", "x")]


def parts(text: str) -> tuple[list[dict], list[str], list[str]]:
    """The boxes, the words and the ways of the arrows."""
    picture = ElementTree.fromstring(text)
    boxes = [
        {key: float(box.get(key, "nan")) for key in ("x", "y", "width", "height", "rx")}
        for box in picture.iter(f"{SPACE}rect")
    ]
    return (
        boxes,
        [str(t.text) for t in picture.iter(f"{SPACE}text")],
        [p.get("d", "") for p in picture.findall(f"{SPACE}path")],
    )


def test_a_diamond() -> None:
    """Four boxes on three levels, the middle ones side by side, the leaf round; four arrows, their labels, the texts."""
    (a, b, c, x), words, arrows = parts(svg(DIAMOND, SIDES))
    assert a["y"] < b["y"] == c["y"] < x["y"]
    assert abs((b["x"] + c["x"] + c["width"]) / 2 - a["x"] - a["width"] / 2) < 5
    assert x["rx"] == x["height"] / 2 > a["rx"]
    assert sorted(words) == sorted(["top", "()", "left", "right", "x", *["(2,)"] * 3, "x", "y", "x", "x"])
    assert len(arrows) == 4


def test_arrows_that_pass_a_layer_go_round_its_boxes() -> None:
    """From a to x, past b: the arrow bends where b's layer is, and not within b."""
    nodes, edges = [("a", "a"), ("b", "b"), ("x", "x")], [("a", "b", ""), ("b", "x", ""), ("a", "x", "")]
    (_, b, _), _, arrows = parts(svg(nodes, edges))
    bend = re.search(r" ([\d.]+) [\d.]+V", arrows[2])
    assert bend and not b["x"] <= float(bend[1]) <= b["x"] + b["width"]
    assert "V" not in arrows[0] + arrows[1]


def test_two_arrows_between_the_same_are_one() -> None:
    """x * x: one arrow for both arguments."""
    _, words, arrows = parts(svg([("a", "a"), ("x", "x")], [("a", "x", "x"), ("a", "x", "y")]))
    assert len(arrows) == 1 and "x, y" in words


def test_marks_are_escaped() -> None:
    """Names may contain what means something in SVG."""
    assert parts(svg([("a", '<b> & "c"')], []))[1] == ['<b> & "c"']


@pytest.mark.parametrize("seed", range(5))
def test_any_graph(seed: int) -> None:
    """Each arrow leads down, no box touches another, and all lie within the picture."""
    drawn = random.Random(seed)
    names = [f"node{i}" for i in range(30)]
    edges = [(names[drawn.randrange(i)], names[i], "x") for i in range(1, 30) for _ in range(drawn.randrange(1, 4))]
    text = svg([(name, "w" * drawn.randrange(1, 20)) for name in names], edges)
    boxes, _, arrows = parts(text)
    place = dict(zip(names, boxes, strict=True))
    assert all(place[a]["y"] < place[b]["y"] for a, b, _ in edges)
    assert len(arrows) == len({(a, b) for a, b, _ in edges})
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            if one["y"] == other["y"]:
                first, second = sorted((one, other), key=lambda box: box["x"])
                assert first["x"] + first["width"] < second["x"]
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', text)
    assert size and all(b["x"] >= 0 and b["x"] + b["width"] <= int(size[1]) + 1 for b in boxes)
    assert all(b["y"] + b["height"] <= int(size[2]) + 1 for b in boxes)
