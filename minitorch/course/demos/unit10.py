"""Orders, batches, joined samples and crops, by your code."""

from collections import Counter

import numpy as np

import minitorch
from minitorch.utils.data import BatchSampler, DataLoader, RandomSampler, WeightedRandomSampler, default_collate
from minitorch.utils.data.stream import Stream
from minitorch.vision import transforms

minitorch.manual_seed(0)
print("Two epochs over 12 samples, each index once:\n")
sampler = RandomSampler(range(12))
print(f"    {list(sampler)}\n    {list(sampler)}")
count = Counter(WeightedRandomSampler([1.0, 2.0, 0.0, 5.0], 8000))
print("\n8000 draws with weights 1, 2, 0 and 5; a # for 100 of them:\n")
for index in range(4):
    print(f"    {index} {'#' * (count[index] // 100)} {count[index]}")
print("\nThe same 12 indices in batches of 5:\n")
print(f"    {list(BatchSampler(sampler, 5, False))}")
print(f"    {list(BatchSampler(sampler, 5, True))} with drop_last")
print("\nThree samples, and the batch that collate makes of them:\n")
samples = [{"name": f"n{k}", "x": np.array([k, 10 * k])} for k in (1, 2, 3)]
for sample in samples:
    print(f"    {sample}")
print(f"    -> {default_collate(samples)}")
print("\nA loader: batches of (x, y) from 10 pairs, shuffled:\n")
for x, y in DataLoader([(float(k), k * k) for k in range(10)], batch_size=4, shuffle=True):
    print(f"    x {x.tolist()}, y {y.tolist()}")

picture = ["......", ".#....", ".#....", ".#....", ".####.", "......"]
image = np.array([[[ord(sign)] for sign in row] for row in picture], np.uint8)
print("\nAn L, padded by one pixel and cropped at random, and mirrored or not, five times:\n")
images = np.repeat(image[None], 5, 0)
changed = transforms.RandomCrop(6, padding=1, fill=32).on_batch(images, Stream(seed=5, indices=range(5)))
changed = transforms.RandomHorizontalFlip().on_batch(changed, Stream(seed=6, indices=range(5)))
for row in np.concatenate([image[None], changed])[..., 0].transpose(1, 0, 2):
    print("    " + "     ".join("".join(map(chr, part)) for part in row))
