"""Small pictures made large: sub-pixel convolution, orthogonal weights, PSNR, a whole net in a dict of settings."""

import argparse
from math import log10

import torch
import torch.nn as nn
import torch.nn.init as init
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset

parser = argparse.ArgumentParser(description="super resolution")
parser.add_argument("--upscale_factor", type=int, default=2)
parser.add_argument("--nEpochs", type=int, default=4)
parser.add_argument("--threads", type=int, default=0)
opt = parser.parse_args()
print(opt)
torch.manual_seed(123)


class Waves(Dataset):
    """Pictures of waves, and the same at a lower resolution."""

    def __init__(self, count, factor):
        self.count, self.factor = count, factor

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        i = torch.arange(16.0)
        large = torch.sin(0.3 * (1 + index % 5) * i.view(1, -1, 1) + 0.2 * (1 + index % 3) * i.view(1, 1, -1)) / 2 + 0.5
        return nn.functional.avg_pool2d(large, self.factor), large


class Net(nn.Module):
    def __init__(self, upscale_factor):
        super(Net, self).__init__()
        self.relu = nn.ReLU()
        self.conv1 = nn.Conv2d(1, 16, (5, 5), (1, 1), (2, 2))
        self.conv2 = nn.Conv2d(16, 16, (3, 3), (1, 1), (1, 1))
        self.conv4 = nn.Conv2d(16, upscale_factor**2, (3, 3), (1, 1), (1, 1))
        self.pixel_shuffle = nn.PixelShuffle(upscale_factor)
        self._initialize_weights()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.pixel_shuffle(self.conv4(x))

    def _initialize_weights(self):
        init.orthogonal_(self.conv1.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv2.weight, init.calculate_gain("relu"))
        init.orthogonal_(self.conv4.weight)


training = DataLoader(Waves(60, opt.upscale_factor), num_workers=opt.threads, batch_size=6, shuffle=True)
testing = DataLoader(Waves(15, opt.upscale_factor), num_workers=opt.threads, batch_size=5)
model = Net(opt.upscale_factor)
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=3e-3)


def test():
    with torch.no_grad():
        psnrs = [10 * log10(1 / criterion(model(small), large).item()) for small, large in testing]
    print("===> Avg. PSNR: {:.4f} dB".format(sum(psnrs) / len(psnrs)))
    return sum(psnrs) / len(psnrs)


first = test()
for epoch in range(1, opt.nEpochs + 1):
    for iteration, (small, large) in enumerate(training, 1):
        optimizer.zero_grad()
        loss = criterion(model(small), large)
        loss.backward()
        optimizer.step()
    last = test()
    torch.save({"epoch": epoch, "model": model.state_dict(), "opt": vars(opt)}, f"model_epoch_{epoch}.pth")
saved = torch.load(f"model_epoch_{opt.nEpochs}.pth")
assert saved["opt"]["upscale_factor"] == opt.upscale_factor and last > first + 3, (first, last)
