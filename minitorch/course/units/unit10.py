"""Unit 10: from a data set to batches: order, batches, joining, augmentation."""

from ..outline import Task, Unit

SAMPLER = "minitorch/utils/data/sampler.py"
COLLATE = "minitorch/utils/data/collate.py"
WINDOWS = "minitorch/vision/transforms/windows.py"
SHAPE = "minitorch/vision/transforms/functional/shape.py"

UNIT = Unit(
    number=10,
    name="data",
    title="Data: order, batches, augmentation",
    hours=2.5,
    read=(SAMPLER, "minitorch/utils/data/dataloader.py", "minitorch/utils/data/loading.py", COLLATE, WINDOWS),
    tasks=(
        Task(
            id="10.1",
            title="a random order, and draws with given weights",
            files=(SAMPLER,),
            write="`RandomSampler.__iter__`: an iterator over `num_samples` ints below `total`, all different until "
            "every one was drawn; with `replacement` each drawn by itself. `WeightedRandomSampler.__iter__`, with "
            "replacement: index i with a probability proportional to w[i]. `random` is a NumPy Generator: "
            "permutation, integers, random.",
            hints=(
                "What does an epoch need that independent draws do not give? How many of 1000 images would "
                "independent draws miss?",
                "A permutation has each index once; if more are wanted, another permutation follows. For weights, "
                "lay intervals of length w[i] end to end: into which does a point fall that is uniform on the whole?",
                "Enough permutations, one after the other, cut off at num_samples; all drawn before the first index "
                "is handed out. Weights: `np.cumsum` gives the ends of the intervals, uniform numbers times the last "
                "end the points, `np.searchsorted(..., side='right')` the intervals. `.tolist()` gives ints of "
                "Python.",
            ),
            minutes=30,
        ),
        Task(
            id="10.2",
            title="batches of indices, and how many there are",
            files=(SAMPLER,),
            write="`BatchSampler.__iter__` yields lists of `batch_size` indices in the order of `self.sampler`; the "
            "last one may be shorter, and is left out if `drop_last`. `__len__`: how many lists that will be.",
            hints=(
                "7 indices in batches of 3: what comes out, with and without drop_last?",
                "`self.sampler` may be any iterable, so go through it once. A list that was handed out belongs to "
                "whoever got it: begin a new one.",
                "Collect indices in a list; when it is full, yield it and begin a new list. What remains at the end "
                "is yielded if it is not empty and drop_last is off. The length is a division, rounded down or up.",
            ),
            minutes=20,
        ),
        Task(
            id="10.3",
            title="from a list of samples to a batch",
            files=(COLLATE,),
            write="`_stack_arrays` joins arrays of one shape along a new first axis (`to_tensor` makes the tensor). "
            "In `default_collate`: mappings are joined key by key, sequences item by item, whatever is in them. A "
            "tuple becomes a list, a namedtuple one of its own class; `_rebuild(first, items)` makes a container "
            "like `first`.",
            hints=(
                "A sample is often (image, label), the batch is to be [images, labels]. Which built-in function "
                "turns rows into columns?",
                "The function calls itself: of the i-th items of all samples it makes the i-th item of the batch.",
                "`zip(*batch)` yields the columns, each to be a list for the next call. A mapping: for each key of "
                "the first sample the list of that key's values. A namedtuple takes its items one by one, "
                "`type(first)(*columns)`.",
            ),
            minutes=30,
        ),
        Task(
            id="10.4",
            title="random crops and mirror images",
            files=(WINDOWS, SHAPE),
            write="In `RandomCrop.change`: fill `out` with the window of each image that begins at its `tops` and "
            "`lefts`. `_random_window`: a random top and left for every image, by `stream.integers(n)`, from 0 to n "
            "- 1. In `RandomHorizontalFlip.on_batch`: mirror the images `out[chosen]`. `hflip`: the mirror image of "
            "all images of a batch (N, H, W, C), by `change(img, 'hflip', function)`.",
            hints=(
                "In an image of 36 pixels, how many places are there for a window of 32?",
                "Every image has numbers of its own: the k-th of `tops` and `lefts` belong to the k-th image and row "
                "of out. Left and right are the axis of columns.",
                "Loop over images with zip. Places: the spare pixels and one more, for both axes. Mirror: the "
                "columns backwards, [:, :, ::-1]; look at vflip below hflip.",
            ),
            minutes=30,
        ),
    ),
)
