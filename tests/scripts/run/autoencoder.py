"""A variational autoencoder: the trick with a random eps, two losses, generated rows."""

import argparse

import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=4)
args = parser.parse_args()
torch.manual_seed(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
angles = torch.linspace(0, 6.28, 256)
rows = torch.sigmoid(4 * torch.sin(angles.unsqueeze(1) + torch.arange(20.0)))
loader = torch.utils.data.DataLoader(rows, batch_size=32, shuffle=True, drop_last=True)


class VAE(nn.Module):
    def __init__(self):
        super(VAE, self).__init__()
        self.fc1 = nn.Linear(20, 32)
        self.fc21, self.fc22 = nn.Linear(32, 2), nn.Linear(32, 2)
        self.fc3, self.fc4 = nn.Linear(2, 32), nn.Linear(32, 20)

    def encode(self, x):
        h1 = F.relu(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        return mu + torch.randn_like(std) * std

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x):
        mu, logvar = self.encode(x.view(-1, 20))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 20), reduction="sum")
    return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


model = VAE().to(device)
optimizer = optim.Adam(model.parameters(), lr=1e-2)
losses = []
for epoch in range(args.epochs):
    train_loss = 0
    for data in loader:
        data = data.to(device)
        optimizer.zero_grad()
        loss = loss_function(*model(data)[:1], data, *model.encode(data))
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
    losses.append(train_loss / len(loader.dataset))
    print(f"====> epoch: {epoch} average loss: {losses[-1]:.4f}")
with torch.no_grad():
    sample = model.decode(torch.randn(64, 2).to(device)).cpu()
assert sample.shape == (64, 20) and 0 <= sample.min() and sample.max() <= 1
assert losses[-1] < losses[0] - 1, losses
