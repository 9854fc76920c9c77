# %% [markdown]
# # Training on images
#
# From a set of images to a net that names them: look at the data, build a net, train it, and look at where it fails.
# The images are *Shapes*, which are built in: ten shapes at random place, size, turn and colour over noise. Everything
# here is PyTorch's in name and meaning; `minitorch` and NumPy do the work, on the CPU.

# %%
import numpy as np
from matplotlib import pyplot as plt
from tqdm.auto import tqdm

import minitorch
from minitorch import nn, optim
from minitorch.utils.data import DataLoader, Subset
from minitorch.vision import datasets, transforms

generator = minitorch.manual_seed(0)

# %% [markdown]
# ## The data
#
# A data set has images and targets. `ToTensor` makes floats in [0, 1] of the bytes, channels first.

# %%
plain = transforms.ToTensor()
shapes = datasets.Shapes(train=True, transform=plain)
test_set = datasets.Shapes(train=False, transform=plain)
image, target = shapes[0]
print(len(shapes), "images of", ", ".join(shapes.classes))
print("one image:", tuple(image.shape), image.dtype, "target", target, f"({shapes.classes[target]})")


# %%
def show(images, titles, columns=8):
    """Images (N, 3, H, W) with a title each."""
    figure, axes = plt.subplots(-(-len(images) // columns), columns, figsize=(9, 1.4 * -(-len(images) // columns)))
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image.permute(1, 2, 0))
        axis.set_title(title, fontsize=8)
    plt.show()


images, targets = next(iter(DataLoader(shapes, 16)))
show(images, [shapes.classes[target] for target in targets])

# %% [markdown]
# ## The net
#
# Three stages. In each, a convolution finds patterns, batch norm keeps its outputs in a sensible range, ReLU drops
# what is negative, and pooling halves the image. One linear layer turns what is left into a score for each class.


# %%
def stage(channels, width):
    return [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2)]


model = nn.Sequential(*stage(3, 16), *stage(16, 32), *stage(32, 64), nn.Flatten(), nn.Linear(64 * 4 * 4, 10))
print(model)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters")

# %% [markdown]
# ## Training
#
# Half of the images are enough here. Each step: forget the old gradients, compute the loss, run the tape backwards,
# move the weights a little downhill. The learning rate climbs, then falls to nothing (one cycle).

# %%
loader = DataLoader(Subset(shapes, range(5000)), batch_size=64, shuffle=True, drop_last=True)
epochs = 5
loss_function = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True)
scheduler = optim.lr_scheduler.OneCycleLR(optimizer, 0.05, total_steps=epochs * len(loader))


@minitorch.no_grad()
def guess(dataset):
    """The class that the model sees in each image."""
    model.eval()
    guesses = minitorch.cat([model(images).argmax(1) for images, _ in DataLoader(dataset, 250)])
    return guesses.numpy()


truth = np.array(test_set.targets)
losses, accuracies = [], []
for epoch in range(epochs):
    model.train()
    for images, targets in tqdm(loader, f"epoch {epoch + 1}", leave=False):
        optimizer.zero_grad()
        loss = loss_function(model(images), targets)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    accuracies.append(float((guess(test_set) == truth).mean()))
    print(f"epoch {epoch + 1}: loss {np.mean(losses[-len(loader) :]):.3f}, test accuracy {accuracies[-1]:.1%}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8))
left.plot(losses, linewidth=0.8)
left.set(xlabel="step", ylabel="training loss")
right.plot(range(1, epochs + 1), accuracies, marker="o")
right.set(xlabel="epoch", ylabel="test accuracy")
plt.show()

# %% [markdown]
# ## Where it fails
#
# The images with wrong answers say more than the accuracy.

# %%
guesses = guess(test_set)
wrong = np.flatnonzero(guesses != truth)
print(f"{len(wrong)} of {len(truth):,} are wrong")
if len(wrong):
    some = wrong[:16].tolist()
    names = test_set.classes
    show([test_set[i][0] for i in some], [f"{names[truth[i]]}\nfor {names[guesses[i]]}?" for i in some])

# %% [markdown]
# ## What the first layer looks for
#
# Its kernels are 3x3 images of three channels. Some are edges, some are colours.

# %%
kernels = model[0].weight.detach()
scale = kernels.abs().amax((1, 2, 3), keepdim=True)
show(kernels / scale / 2 + 0.5, range(16))

# %% [markdown]
# ## Keep it
#
# A checkpoint is a zip of arrays, written whole or not at all, and never unpickled.

# %%
minitorch.save(model.state_dict(), "shapes.zip")
done = model.load_state_dict(minitorch.load("shapes.zip"))
print(done)
