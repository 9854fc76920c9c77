"""Typical wrong solutions of unit 10."""

from ..outline import Wrong

ORDER = """\
if self.replacement:
    return iter(random.integers(total, size=self.num_samples).tolist())
found = []
while len(found) < self.num_samples:
    found += random.permutation(total).tolist()
return iter(found[:self.num_samples])
"""
WEIGHTS = """\
ends = np.cumsum(w) / w.sum()
return iter(np.searchsorted(ends, random.random(self.num_samples), side="right").tolist())
"""
BATCHES = """\
batch = []
for index in self.sampler:
    batch.append(index)
    if len(batch) == self.batch_size:
        yield batch
        batch = []
if batch and not self.drop_last:
    yield batch
"""
LENGTH = """\
n = len(self.sampler)
return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
"""
STACK = "return to_tensor(np.stack(arrays))\n"
MAPPING = "return _rebuild(first, {k: default_collate([sample[k] for sample in batch]) for k in first})\n"
SEQUENCE = """\
found = [default_collate(list(items)) for items in zip(*batch)]
if _is_namedtuple(first):
    return type(first)(*found)
return found
"""
CROP = """\
for k in range(len(out)):
    out[k] = image[k, tops[k]:tops[k] + height, lefts[k]:lefts[k] + width]
"""
PLACES = "return stream.integers(spare_height + 1), stream.integers(spare_width + 1)\n"
FLIP = "out[chosen] = out[chosen][:, :, ::-1]\n"
MIRROR = 'return change(img, "hflip", lambda x: x[:, :, ::-1].copy())\n'

WRONG = [
    Wrong(
        "10.1",
        "independent draws for an epoch",
        ("return iter(random.integers(total, size=self.num_samples).tolist())\n", WEIGHTS),
        "comes twice before all were drawn",
    ),
    Wrong(
        "10.1",
        "a generator of its own, always the same order",
        (ORDER.replace("random.permutation", "np.random.default_rng(0).permutation"), WEIGHTS),
        "two epochs have the same order",
    ),
    Wrong(
        "10.1",
        "weights taken for probabilities",
        (ORDER, WEIGHTS.replace(" / w.sum()", "")),
        "need not add up to 1",
    ),
    Wrong(
        "10.2",
        "the last batch lost",
        (BATCHES.replace("if batch and not self.drop_last:\n    yield batch\n", ""), LENGTH),
        "last, shorter batch .* is missing",
    ),
    Wrong("10.2", "drop_last ignored", (BATCHES.replace(" and not self.drop_last", ""), LENGTH), "was to be left out"),
    Wrong(
        "10.2",
        "one list for all batches",
        (
            BATCHES.replace("batch = []\nif", "batch.clear()\nif").replace(
                "        batch = []", "        batch.clear()"
            ),
            LENGTH,
        ),
        "has changed since it was handed out|empty batch",
    ),
    Wrong("10.2", "a length rounded down", (BATCHES, "return len(self.sampler) // self.batch_size\n"), "len is . for"),
    Wrong(
        "10.3", "put end to end", (STACK.replace("stack", "concatenate"), MAPPING, SEQUENCE), "put end to end|zero-dim"
    ),
    Wrong(
        "10.3",
        "samples in place of columns",
        (STACK, MAPPING, SEQUENCE.replace("zip(*batch)", "batch")),
        "join the first items of all|became",
    ),
    Wrong(
        "10.3",
        "a namedtuple forgotten",
        (STACK, MAPPING, "return [default_collate(list(items)) for items in zip(*batch)]\n"),
        "namedtuple of the same class",
    ),
    Wrong(
        "10.3",
        "values of a mapping not joined",
        (STACK, "return {k: [sample[k] for sample in batch] for k in first}\n", SEQUENCE),
        "any depth|x of a batch",
    ),
    Wrong("10.4", "the last place never chosen", (CROP, PLACES.replace(" + 1", ""), FLIP, MIRROR), "one place more"),
    Wrong(
        "10.4",
        "all images cut at the same place",
        (CROP.replace("tops[k]", "tops[0]").replace("lefts[k]", "lefts[0]"), PLACES, FLIP, MIRROR),
        "all images were cut at",
    ),
    Wrong("10.4", "upside down", (CROP, PLACES, FLIP.replace("[:, :, ::-1]", "[:, ::-1]"), MIRROR), "upside down"),
    Wrong(
        "10.4",
        "every image mirrored",
        (CROP, PLACES, "out[...] = images[:, :, ::-1]\n", MIRROR),
        "300 of 300 images are mirrored",
    ),
]
