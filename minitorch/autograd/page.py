"""The page that `Trace.save` writes: one HTML file, whose slider goes through the steps of a backward pass."""

from __future__ import annotations

import html
import json
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --mark: #d9821b; --soft: #8882; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem; }
h1 { font-size: 1.3rem; margin: 0 0 .5rem; } h2 { font-size: 1.05rem; margin: 1rem 0 .25rem; }
.bar { display: flex; gap: .5rem; align-items: center; position: sticky; top: 0; padding: .5rem 0; background: Canvas; }
.bar input { flex: 1; min-width: 0; } button { font: inherit; padding: .25rem .75rem; }
.both { display: flex; flex-wrap: wrap; gap: 1.5rem; }
#tape { flex: 1 1 14rem; list-style: none; margin: 0; padding: 0; max-height: 70vh; overflow: auto; }
#tape li { border-left: 4px solid var(--line); padding: .1rem .5rem; cursor: pointer; overflow-wrap: anywhere; }
#tape li.now { border-color: var(--mark); background: var(--soft); font-weight: 600; } #tape li.done { opacity: .55; }
#step { flex: 3 1 20rem; min-width: 0; }
.flow { border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; margin: .5rem 0; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; }
td { border: 1px solid var(--line); padding: .1rem .4rem; text-align: right; font: .85rem ui-monospace, monospace; }
code, pre { font: .85rem ui-monospace, monospace; overflow-wrap: anywhere; white-space: pre-wrap; }
small { opacity: .75; } td { color: #111; white-space: nowrap; }
@media (max-width: 40rem) { #tape { flex-basis: 100%; max-height: 10rem; } }
"""

_SCRIPT = """
const steps = DATA.steps, slider = document.getElementById("at"), tape = document.getElementById("tape");
const box = (tag, text, kind) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (kind) e.className = kind;
  return e;
};
function numbers(g) {
  const out = box("div"), frame = box("div", undefined, "scroll"), table = box("table");
  out.append(box("small", g.about));
  for (const row of g.rows) {
    const line = box("tr");
    for (const [text, share] of row) {
      const cell = box("td", text);
      const colour = share < 0 ? "80,140,255" : "255,150,60";
      cell.style.background = `linear-gradient(rgba(${colour},${Math.abs(share) * 0.7}) 0 0), #fff`;
      line.append(cell);
    }
    table.append(line);
  }
  frame.append(table);
  out.append(frame);
  return out;
}
function show(i) {
  slider.value = i;
  document.getElementById("count").textContent = `${i + 1} / ${steps.length}`;
  [...tape.children].forEach((e, k) => { e.className = k === i ? "now" : k < i ? "done" : ""; });
  const item = tape.children[i], view = document.getElementById("step"), s = steps[i];
  if (item) tape.scrollTop = Math.max(0, item.offsetTop - tape.offsetTop - tape.clientHeight / 2);
  view.replaceChildren(box("h2", s.title));
  for (const g of s.incoming) {
    const flow = box("div", undefined, "flow");
    flow.append(box("div", s.came), numbers(g));
    view.append(flow);
  }
  for (const f of s.outgoing) {
    const flow = box("div", undefined, "flow");
    flow.append(box("div", f.title));
    if (f.place) {
      const rule = box("div");
      rule.append(box("code", f.line), box("br"), box("small", f.place));
      flow.append(rule);
    }
    flow.append(numbers(f.gradient));
    view.append(flow);
  }
}
steps.forEach((s, i) => {
  const item = box("li", s.title);
  item.onclick = () => show(i);
  tape.append(item);
});
slider.max = steps.length - 1;
slider.oninput = () => show(+slider.value);
const move = (by) => show(Math.min(steps.length - 1, Math.max(0, +slider.value + by)));
document.getElementById("back").onclick = () => move(-1);
document.getElementById("on").onclick = () => move(1);
addEventListener("keydown", (e) => {
  if (e.target === slider) return;
  if (e.key === "ArrowRight" || e.key === "ArrowDown") { move(1); e.preventDefault(); }
  if (e.key === "ArrowLeft" || e.key === "ArrowUp") { move(-1); e.preventDefault(); }
});
show(0);
"""


def page(trace: Any) -> str:
    """The page of a Trace; its text stands in it, too, for readers without scripts."""
    data = {
        "steps": [
            {
                "title": f"{step.name} #{step.number}, result {step.shape}",
                "came": "comes in" + (f": the sum of {step.added} gradients" if step.added > 1 else ""),
                "incoming": [_numbers(g) for g in step.incoming],
                "outgoing": [
                    {
                        "title": f"goes out for {flow.argument}, to {flow.to}",
                        "place": flow.place,
                        "line": flow.line,
                        "gradient": _numbers(flow.gradient),
                    }
                    for flow in step.outgoing
                ],
            }
            for step in trace.steps
        ]
        + [
            {"title": f"in the end, {name}", "came": "its gradient", "incoming": [_numbers(g)], "outgoing": []}
            for name, g in trace.leaves.items()
        ]
    }
    numbers = json.dumps(data).replace("<", "\\u003c")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Backward, step by step</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Backward, step by step</h1>
<div class="bar"><button id="back" aria-label="one step back">&larr;</button>
<input type="range" id="at" min="0" value="0" aria-label="step"><span id="count"></span>
<button id="on" aria-label="one step on">&rarr;</button></div>
<div class="both"><ol id="tape"></ol><div id="step"></div></div>
<details><summary>All steps as text</summary><pre>{html.escape(str(trace))}</pre></details>
<script>const DATA = {numbers};{_SCRIPT}</script>
</body>
</html>
"""


def _numbers(g: Any) -> dict:
    """A gradient for the page: what it is, and rows of pairs (text, share of the largest size)."""
    corner = g.corner.reshape(-1, g.corner.shape[-1]) if g.corner.ndim else g.corner.reshape(1, 1)
    largest = max(abs(g.least), abs(g.largest))
    rows = [
        [[f"{float(v):.4g}", float(v) / largest if 0 < largest < float("inf") else 0.0] for v in row] for row in corner
    ]
    rows = [[[text, share if share == share else 0.0] for text, share in row] for row in rows]
    about = f"{g.shape}, {g.dtype}, norm {g.norm:.4g}"
    return {"about": about + ("" if g.whole else "; its first rows and columns:"), "rows": rows}
