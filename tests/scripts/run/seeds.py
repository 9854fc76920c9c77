"""What people type who first try convolutions: layers of each rank, functions, Variables, integers, lazy layers, a writer."""

import warnings

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from torch import autograd
from torch.autograd import Variable
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter

warnings.simplefilter("ignore")


class One(nn.Module):
    def __init__(self):
        super(One, self).__init__()
        # three planes become six
        self.conv1 = nn.Conv2d(in_channels=3, out_channels=6, kernel_size=3, stride=1, padding=0)

    def forward(self, x):
        return self.conv1(x)


print(One())
con2 = nn.Conv2d(1, 6, 5)
try:
    con2(np.empty((1, 1, 28, 28)))
except TypeError as error:
    print("refused:", error)
else:
    raise AssertionError("an array is no tensor")
assert con2(torch.Tensor(1, 1, 28, 28).zero_()).shape == (1, 6, 24, 24)
assert con2(Variable(torch.zeros(1, 1, 28, 28))).shape == (1, 6, 24, 24)
filters, inputs = autograd.Variable(torch.randn(33, 16, 3)), autograd.Variable(torch.randn(20, 16, 50))
assert F.conv1d(inputs, filters).size() == (20, 33, 48)
assert F.conv2d(Variable(torch.randn(1, 4, 5, 5)), Variable(torch.randn(8, 4, 3, 3)), padding=1).size() == (1, 8, 5, 5)
assert F.conv3d(Variable(torch.randn(2, 4, 5, 6, 7)), Variable(torch.randn(3, 4, 3, 3, 3))).size() == (2, 3, 3, 4, 5)
assert F.conv2d(torch.ones(1, 4, 9, 9), torch.ones(4, 1, 3, 3), None, 1, 2, 2, 4).shape == (1, 4, 9, 9)
picture = torch.tensor([[1, 2, 0, 3, 1], [0, 1, 2, 3, 1], [1, 2, 1, 0, 0], [5, 2, 3, 1, 1], [2, 1, 0, 1, 1]])
kernel = torch.tensor([[1, 2, 1], [0, 1, 0], [2, 1, 0]])
picture, kernel = torch.reshape(picture, (1, 1, 5, 5)), torch.reshape(kernel, (1, 1, 3, 3))
assert F.conv2d(picture, kernel, stride=1).tolist() == [[[[10, 12, 12], [18, 16, 16], [13, 9, 3]]]]
assert F.conv2d(picture, kernel, stride=2).tolist() == [[[[10, 12], [13, 3]]]]
assert F.conv2d(picture, kernel, stride=1, padding=1).shape == (1, 1, 5, 5)
assert nn.Conv2d(1, 4, (2, 3))(torch.randn(3, 1, 5, 4)).size() == torch.Size([3, 4, 4, 2])
for layer, shape, expected in [
    (nn.Conv1d(16, 33, 3, stride=2), (20, 16, 50), (20, 33, 24)),
    (nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1)), (2, 16, 50, 100), (2, 33, 26, 100)),
    (nn.Conv3d(16, 33, (3, 5, 2), stride=(2, 1, 1), padding=(4, 2, 0)), (1, 16, 10, 20, 30), (1, 33, 8, 20, 29)),
    (nn.ConvTranspose1d(4, 2, 3, stride=2, padding=1, output_padding=1), (1, 4, 10), (1, 2, 20)),
    (nn.ConvTranspose2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2)), (2, 16, 10, 20), (2, 33, 13, 20)),
    (nn.ConvTranspose3d(4, 3, (3, 5, 2), stride=(2, 1, 1), padding=(0, 4, 2)), (1, 4, 5, 10, 8), (1, 3, 11, 6, 5)),
    (nn.Conv2d(1, 2, 3, padding="same", padding_mode="reflect"), (1, 1, 7, 7), (1, 2, 7, 7)),
    (nn.LazyConv2d(5, 3), (1, 4, 6, 6), (1, 5, 4, 4)),
    (nn.Unfold((2, 3)), (2, 5, 3, 4), (2, 30, 4)),
    (nn.Fold((4, 5), (2, 2)), (1, 12, 12), (1, 3, 4, 5)),
]:
    assert layer(torch.randn(*shape)).shape == expected, layer
downsample, upsample = nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ConvTranspose2d(16, 16, 3, stride=2, padding=1)
image = torch.randn(1, 16, 12, 12)
assert upsample(downsample(image), output_size=image.size()).size() == image.size()
assert nn.Conv2d(4, 6, (2, 3), groups=2).weight.shape == (6, 2, 2, 3)


class Pictures(Dataset):
    """What CIFAR10 gives, without a download."""

    def __init__(self, transform):
        self.transform = transform

    def __len__(self):
        return 130

    def __getitem__(self, index):
        return self.transform(np.full((32, 32, 3), index, np.uint8)), index % 10


dataloader = DataLoader(Pictures(torchvision.transforms.ToTensor()), batch_size=64)
net, writer = One(), SummaryWriter("logs")
step = 0
for imgs, targets in dataloader:
    output = net(imgs)
    assert imgs.shape[1:] == (3, 32, 32) and output.shape[1:] == (6, 30, 30)
    writer.add_images("input", imgs, step)
    writer.add_images("output", torch.reshape(output, (-1, 3, 30, 30)), step)
    step += 1
writer.close()
assert step == 3
