"""Typical wrong solutions of unit 2."""

from ..outline import Wrong

WRONG = [
    Wrong(
        "2.1",
        "newest first",
        (
            """\
nodes, stack = set(), [edge for edge in edges if type(edge) is Node]
while stack:
    node = stack.pop()
    if node not in nodes:
        nodes.add(node)
        stack += [parent for parent in node.parents if type(parent) is Node]
return sorted(nodes, key=lambda node: -node.sequence)
""",
        ),
        "parents before children",
    ),
    Wrong(
        "2.1",
        "a node as often as it is used",
        (
            """\
nodes, waiting = [], [edge for edge in edges if type(edge) is Node]
while waiting and len(nodes) < 10**5:
    node = waiting.pop()
    nodes.append(node)
    waiting += [parent for parent in node.parents if type(parent) is Node]
return sorted(nodes, key=_age)
""",
        ),
        "listed twice",
    ),
    Wrong(
        "2.1",
        "by recursion",
        (
            """\
nodes = set()
def visit(node):
    if type(node) is Node and node not in nodes:
        nodes.add(node)
        for parent in node.parents:
            visit(parent)
for edge in edges:
    visit(edge)
return sorted(nodes, key=_age)
""",
        ),
        "deeper than Python's stack",
    ),
    Wrong(
        "2.1",
        "leaves among the nodes",
        (
            """\
nodes, stack = [], [edge for edge in edges if edge is not None]
while stack:
    node = stack.pop()
    if node not in nodes:
        nodes.append(node)
        stack += [parent for parent in getattr(node, "parents", ()) if parent is not None]
return nodes[::-1]
""",
        ),
        "is no Node|expected the nodes",
    ),
    Wrong(
        "2.2",
        "later gradients replace earlier ones",
        (
            """\
arrived = dict(roots)
for node in reversed(nodes):
    if node in arrived:
        arrived.update(hand_on(node, arrived.pop(node)))
return arrived
""",
        ),
        "replaced an earlier one",
    ),
    Wrong(
        "2.2",
        "added in place",
        (
            """\
arrived = {}
def deliver(pairs):
    for edge, g in pairs:
        if edge in arrived:
            arrived[edge] += g
        else:
            arrived[edge] = g
deliver(roots)
for node in reversed(nodes):
    if node in arrived:
        deliver(hand_on(node, arrived.pop(node)))
return arrived
""",
        ),
        "added in place",
    ),
    Wrong(
        "2.2",
        "oldest first",
        (
            """\
arrived = {}
def deliver(pairs):
    for edge, g in pairs:
        arrived[edge] = arrived[edge] + g if edge in arrived else g
deliver(roots)
while any(node in arrived for node in nodes):
    for node in nodes:
        if node in arrived:
            deliver(hand_on(node, arrived.pop(node)))
return arrived
""",
        ),
        "each node after|ran twice",
    ),
    Wrong(
        "2.2",
        "what was handed on stays",
        (
            """\
arrived = {}
def deliver(pairs):
    for edge, g in pairs:
        arrived[edge] = arrived[edge] + g if edge in arrived else g
deliver(roots)
for node in reversed(nodes):
    if node in arrived:
        deliver(hand_on(node, arrived[node]))
return arrived
""",
        ),
        "take it out",
    ),
    Wrong(
        "2.3",
        "the first gradient is not copied",
        (
            """\
if leaf._grad is None:
    leaf._grad = g if create_graph else wrap(g)
elif create_graph:
    leaf._grad = leaf._grad + g
else:
    np.add(leaf._grad.array, g, out=leaf._grad.write())
""",
        ),
        "share memory",
    ),
    Wrong(
        "2.3",
        "each call overwrites",
        ("leaf._grad = g.clone() if create_graph else wrap(_own(g, leaf.array))\n",),
        "later gradients are added",
    ),
    Wrong(
        "2.3",
        "in place on the tape",
        (
            """\
if leaf._grad is None:
    leaf._grad = g.clone() if create_graph else wrap(_own(g, leaf.array))
else:
    g = g.array if create_graph else g
    np.add(leaf._grad.array, g, out=leaf._grad.write())
""",
        ),
        "make a new tensor",
    ),
]
